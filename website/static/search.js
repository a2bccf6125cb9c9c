// The search box. The index is a script, which a browser loads from a disk too; it is loaded at the first use.
"use strict";
(() => {
  const base = document.currentScript.dataset.base;
  const SHOWN = 20;
  const form = document.querySelector("form.search");
  const input = form.querySelector("input");
  const box = form.querySelector("#results");
  const status = box.querySelector("p");
  const list = box.querySelector("ol");
  let entries = null;

  window.searchIndex = (found) => {
    entries = found.map(([address, title, heading, text]) =>
      ({ address, title, heading, text, low: { heading: plain(heading), all: plain(`${title} ${heading} ${text}`) } }));
    search();
  };

  function load() {
    if (document.getElementById("index")) return;
    const script = document.createElement("script");
    script.id = "index";
    script.src = `${base}/static/search-index.js`;
    script.onerror = () => { status.textContent = "The index could not be loaded."; };
    document.head.append(script);
  }

  // token_mean, token-mean and Token mean are found by each other.
  function plain(text) {
    return text.toLowerCase().replace(/[_-]/g, " ");
  }

  // A heading that is the query comes first, then headings with its words, then texts.
  function score(entry, query, words) {
    if (!words.every((word) => entry.low.all.includes(word))) return 0;
    const { heading } = entry.low;
    const inHeading = words.filter((word) => heading.includes(word)).length / words.length;
    return 1 + 10 * inHeading + 20 * heading.startsWith(query) + 100 * (heading === query) + entry.low.all.includes(query);
  }

  function search() {
    const query = plain(input.value).trim();
    box.hidden = !query;
    if (!query) return;
    if (!entries) { status.textContent = "Loading."; return; }
    const words = query.split(/\s+/);
    const found = entries.map((entry) => [score(entry, query, words), entry]).filter(([points]) => points);
    found.sort(([a], [b]) => b - a);
    const some = found.length > SHOWN ? `, the first ${SHOWN}` : "";
    status.textContent = found.length ? `${found.length} found${some}` : "Nothing found. Try a part of a word.";
    list.replaceChildren(...found.slice(0, SHOWN).map(([, entry]) => item(entry, words)));
  }

  function item(entry, words) {
    const link = document.createElement("a");
    link.href = `${base}/${entry.address}`;
    link.append(entry.heading);
    if (entry.heading !== entry.title) link.append(element("small", entry.title));
    link.append(snippet(entry.text, words));
    return element("li", link);
  }

  function element(name, ...content) {
    const made = document.createElement(name);
    made.append(...content);
    return made;
  }

  // Some words around the first hit, which is marked.
  function snippet(text, words) {
    const low = plain(text);
    const hits = words.map((word) => [low.indexOf(word), word.length]).filter(([at]) => at >= 0);
    if (!hits.length) return element("span", text.slice(0, 110));
    const [at, length] = hits.sort(([a], [b]) => a - b)[0];
    const start = Math.max(0, at - 40);
    const before = (start ? "… " : "") + text.slice(start, at);
    return element("span", before, element("mark", text.slice(at, at + length)), `${text.slice(at + length, at + 80)} …`);
  }

  // With the keyboard: arrows go through what was found, Escape closes it, Enter opens the first.
  form.addEventListener("keydown", (event) => {
    const links = [...list.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    if (event.key === "Escape") { input.value = ""; search(); input.focus(); }
    if (event.key === "ArrowDown" && links[at + 1]) { links[at + 1].focus(); event.preventDefault(); }
    if (event.key === "ArrowUp" && at >= 0) { (links[at - 1] || input).focus(); event.preventDefault(); }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    list.querySelector("a")?.click();
  });
  document.addEventListener("click", (event) => { if (!form.contains(event.target)) box.hidden = true; });
  list.addEventListener("click", () => { box.hidden = true; });
  input.addEventListener("focus", () => { load(); search(); });
  input.addEventListener("input", search);
  form.hidden = false;
})();

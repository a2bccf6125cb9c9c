// The theme: what the system says, until the reader presses the button. It is set before the page is drawn.
"use strict";
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  // A page that is opened from a disk may have no storage: then the choice holds for this page.
  function stored() {
    try { return localStorage.getItem("theme"); } catch { return null; }
  }
  function store(theme) {
    try { localStorage.setItem("theme", theme); } catch { /* see above */ }
  }
  function current() {
    return root.dataset.theme || (system.matches ? "dark" : "light");
  }

  if (stored()) root.dataset.theme = stored();

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector("button.theme");
    const say = () => {
      const other = current() === "dark" ? "Light" : "Dark";
      button.textContent = other;
      button.setAttribute("aria-label", `${other} theme`);
    };
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = current() === "dark" ? "light" : "dark";
      store(root.dataset.theme);
      say();
    });
    system.addEventListener("change", say);
    say();

    // On a wide screen the navigation scrolls by itself: the open page is to be seen in it.
    const menu = document.querySelector("#menu");
    const open = menu.querySelector("[aria-current]");
    if (open && menu.scrollHeight > menu.clientHeight) menu.scrollTop = open.offsetTop - menu.clientHeight / 3;

    // What scrolls sideways in its own box can be reached with the keyboard.
    for (const box of document.querySelectorAll(".scroll")) {
      if (box.scrollWidth > box.clientWidth) {
        box.tabIndex = 0;
        box.setAttribute("role", "group");
        box.setAttribute("aria-label", "Wide: scrolls sideways");
      }
    }
  });
})();

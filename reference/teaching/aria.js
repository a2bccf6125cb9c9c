// What ipywidgets leaves out, for the panel that this script stands in. A slider has no name, and its value is the bare
// number of its place; the box beside it has no name either; and no widget can say that its text is to be spoken. And what
// JupyterLab takes away: an arrow on a list goes to another cell, and a letter is a command. Python cannot reach any of
// this. JupyterLab runs the script where the panel is drawn; it loads and sends nothing.
"use strict";
(() => {
  const panel = document.currentScript.closest(".accessible-panel");
  if (!panel) return;

  // An observer that writes what is there already would wake itself again and again.
  function set(element, attributes) {
    for (const [name, value] of Object.entries(attributes)) {
      if (element && element.getAttribute(name) !== value) element.setAttribute(name, value);
    }
  }

  function look() {
    for (const slider of panel.querySelectorAll(".widget-slider")) {
      const name = slider.querySelector("label").textContent;
      const box = slider.querySelector(".widget-readout");
      const value = box.textContent.trim();
      set(slider.querySelector("[role=slider]"), { "aria-label": name, "aria-valuetext": value });
      if (box.isContentEditable) set(box, { role: "textbox", "aria-label": `${name}, type a number` });
    }
    for (const label of panel.querySelectorAll("label[title=null]")) label.removeAttribute("title"); // it is spoken
    for (const told of panel.querySelectorAll(".spoken > .widget-html-content")) set(told, { role: "status" });
    for (const control of panel.querySelectorAll("select, input, button, [role=slider], .widget-readout")) {
      set(control, { "data-lm-suppress-shortcuts": "true" }); // JupyterLab's own name for it
    }
    const question = panel.querySelector(".question");
    if (question) set(panel, { role: "group", "aria-label": question.textContent });
  }

  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") panel.closest(".jp-Cell")?.focus(); // back to the notebook
  });
  new MutationObserver(look).observe(panel, {
    childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: ["aria-valuetext", "contenteditable"],
  });
  look();
})();

// The keyboard: every key does what a link or button on the page does too.
"use strict";
(() => {
  const calls = () => [...document.querySelectorAll("article[data-href]")];
  const step = (by) => {
    const all = calls();
    const at = all.indexOf(document.activeElement);
    const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  };
  const close = () => document.getElementById("found")?.replaceChildren();
  const keys = {
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    "/": () => document.getElementById("number")?.focus(),
    "?": () => document.getElementById("keys")?.showModal(),
    t: () => window.toggleTheme(),
    Escape: close,
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const field = event.target.closest?.("input, select, textarea");
    if (field) {
      if (event.key === "Escape") { field.blur(); close(); }
      return;
    }
    if (event.key === "Enter" && event.target.matches?.("article[data-href]")) {
      location.href = event.target.dataset.href;
    } else if (Object.hasOwn(keys, event.key)) {
      event.preventDefault();
      keys[event.key]();
    }
  });
  addEventListener("click", (event) => {
    if (event.target.closest("[data-close]")) close();
  });
})();

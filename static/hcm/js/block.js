// Keys of a block's page. Keys choose; only a button or Ctrl Enter writes.
(() => {
  const follow = (selector) => { const link = document.querySelector(selector); if (link) location.href = link.href; };
  document.addEventListener("keydown", (event) => {
    const form = document.querySelector("[data-certify]");
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter" && form) { event.preventDefault(); form.requestSubmit(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input:not([type=radio]), textarea, select, dialog[open]")) { if (event.key === "Escape") event.target.blur(); return; }
    const keys = {
      j: () => follow("[data-review-after]"), k: () => follow("[data-review-before]"), l: () => follow("[data-list]"),
      c: () => document.querySelector("[data-comment]")?.focus(),
    };
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  });
})();

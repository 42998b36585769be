// Keyboard and search for tables marked data-rows: a cursor, a fold, a filter of words.
// Everything is looked up by row id at the time it is needed, so that a live refresh loses nothing.
(() => {
  const table = () => document.querySelector("table[data-rows]");
  const rows = () => [...(table()?.querySelectorAll("tr[data-row]") || [])].filter((tr) => !tr.hidden);
  const closed = new Set();
  let here = null;

  const draw = () => {
    table()?.querySelectorAll(".is-here").forEach((tr) => tr.classList.remove("is-here"));
    document.getElementById(here)?.classList.add("is-here");
  };
  const show = (tr) => { if (tr) { here = tr.id; draw(); tr.scrollIntoView({ block: "nearest" }); } };
  const step = (by) => {
    const list = rows();
    const at = list.findIndex((tr) => tr.id === here);
    show(list[Math.max(0, Math.min(list.length - 1, at < 0 ? 0 : at + by))]);
  };
  const words = () => (document.querySelector("[data-search]")?.value || "").toLowerCase().split(/\s+/).filter(Boolean);
  const filter = () => {
    const all = [...(table()?.querySelectorAll("tr[data-row]") || [])];
    const wanted = words();
    let shown = 0;
    all.forEach((tr) => {
      const fits = wanted.every((word) => tr.dataset.text.includes(word));
      tr.hidden = !fits || (tr.dataset.folds && closed.has(tr.dataset.folds));
      if (fits) shown += 1;
    });
    document.querySelectorAll("[data-fold]").forEach((el) => {
      el.setAttribute("aria-expanded", !closed.has(el.dataset.fold));
      el.querySelector("[data-fold-word]").textContent = closed.has(el.dataset.fold) ? "Show" : "Hide";
    });
    table()?.querySelectorAll("tr.cause").forEach((tr) => { tr.hidden = wanted.length > 0; });
    document.querySelectorAll("[data-shown]").forEach((el) => { el.textContent = shown; });
    document.querySelectorAll("[data-none]").forEach((el) => { el.hidden = shown > 0 || all.length === 0; });
    if (wanted.length) document.querySelectorAll("[data-none-words]").forEach((el) => { el.textContent = wanted.join(" "); });
    document.querySelectorAll("[data-clear-search]").forEach((el) => { el.hidden = wanted.length === 0; });
    draw();
  };
  const put = (url, text) => { if (text) url.searchParams.set("q", text); else url.searchParams.delete("q"); return url; };
  // The words go with the reader: into this page's address, and into the links that ask for another table.
  const remember = () => {
    const text = document.querySelector("[data-search]")?.value || "";
    history.replaceState(null, "", put(new URL(location.href), text));
    document.querySelectorAll("a[data-asks]").forEach((link) => { link.search = put(new URL(link.href), text).search; });
  };
  document.addEventListener("input", (event) => { if (event.target.matches("[data-search]")) { filter(); remember(); } });
  document.addEventListener("submit", (event) => {
    if (event.target.querySelector("[data-search]")) { event.preventDefault(); filter(); remember(); }
    if (event.target.matches("[data-columns-form]")) {
      event.preventDefault();
      const url = new URL(location.href);
      const keys = [...event.target.querySelectorAll("[name=columns][type=checkbox]:checked")].map((one) => one.value);
      url.searchParams.set("columns", keys.join(","));
      location.href = url.href.replaceAll("%2C", ",");
    }
  });
  document.addEventListener("partchange", () => { filter(); if (document.querySelector("a[data-asks]")) remember(); });
  document.addEventListener("DOMContentLoaded", filter);

  document.addEventListener("click", (event) => {
    const clear = event.target.closest("[data-clear-search]");
    if (clear) { event.preventDefault(); const box = document.querySelector("[data-search]"); box.value = ""; filter(); remember(); box.focus(); return; }
    const fold = event.target.closest("[data-fold]");
    if (fold) {
      if (!closed.delete(fold.dataset.fold)) closed.add(fold.dataset.fold);
      filter();
      return;
    }
    const tr = event.target.closest("tr[data-row]");
    if (tr && !event.target.closest("a, button, input, label")) show(tr);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, dialog[open]")) {
      // Leaves the field and keeps the words; the browser by itself would empty the field, not the filter.
      if (event.key === "Escape" && event.target.matches("[data-search]")) { event.preventDefault(); event.target.blur(); }
      return;
    }
    const list = rows();
    const at = list.findIndex((tr) => tr.id === here);
    const follow = (selector) => { const link = document.querySelector(selector); if (link) location.href = link.href; };
    const open = () => { const link = list[at]?.querySelector("a[data-open]"); if (link) location.href = link.href; };
    const keys = {
      j: () => step(1), k: () => step(-1), g: () => show(list[0]), G: () => show(list[list.length - 1]),
      n: () => show(list.find((tr, i) => i > at && tr.dataset.todo !== undefined)),
      o: open,
      x: () => { const box = list[at]?.querySelector("input[name=ab]"); if (box) { box.checked = !box.checked; box.dispatchEvent(new Event("change", { bubbles: true })); } },
      "[": () => follow("[data-before]"), "]": () => follow("[data-after]"), l: () => follow("[data-list]"),
    };
    // Enter on a link or a button is theirs.
    if (at >= 0 && !event.target.closest("a, button, summary")) keys.Enter = open;
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  });
})();

// Live refresh. The part of the page marked data-live-part is fetched again by htmx while somebody
// looks; an unchanged page costs a 304. What is being read never moves: cursor, selection, folds and
// half-typed words are put back, and nothing is fetched while a dialog is open or a field in use.
//   <div id="live" data-live-part data-every="5" hx-get="…" hx-trigger="live" hx-select="#live" hx-swap="outerHTML">
(() => {
  // Whether it refreshes is remembered for the tab.
  const KEPT = "hcm-live";
  let on = true;
  try { on = sessionStorage.getItem(KEPT) !== "off"; } catch { /* a browser that keeps nothing */ }
  let etag = "";
  const part = () => document.querySelector("[data-live-part]");
  const busy = () => {
    const here = document.activeElement;
    return document.querySelector("dialog[open], [data-live-part] details[open] form") || (here && here.matches("textarea, input[type=text], input[type=search], select") && here.closest("[data-live-part]"));
  };
  const refresh = () => {
    const el = part();
    if (!el || !on || document.hidden || busy()) return;
    window.htmx.trigger(el, "live");
  };
  document.addEventListener("DOMContentLoaded", () => {
    const el = part();
    if (!el) return;
    press();
    // A page at work asks often, one at rest seldom; which it is may change with each answer.
    let last = Date.now();
    setInterval(() => {
      const every = Number(part()?.dataset.every || 5) * 1000;
      if (Date.now() - last >= every - 100) { last = Date.now(); refresh(); }
    }, 1000);
    document.addEventListener("visibilitychange", refresh);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-live]");
    if (!button) return;
    on = button.dataset.live === "on";
    try { sessionStorage.setItem(KEPT, on ? "on" : "off"); } catch { /* then only until it is reloaded */ }
    press();
    refresh();
  });
  const press = () => document.querySelectorAll("[data-live]").forEach((b) => b.setAttribute("aria-pressed", (b.dataset.live === "on") === on));
  // No answer, or one without our part (a proxy's, a login page): what stands here is old, and says so.
  const unanswered = (is) => document.querySelectorAll("[data-fresh]").forEach((line) => line.toggleAttribute("data-unanswered", is));
  for (const failure of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
    document.addEventListener(failure, (event) => { if (event.target.matches("[data-live-part]")) unanswered(true); });
  }
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!event.target.matches("[data-live-part]") || event.detail.xhr.status !== 200) return;
    if (event.detail.xhr.responseText.includes(`id="${event.target.id}"`)) return;
    event.detail.shouldSwap = false;
    unanswered(true);
  });
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.target.matches("[data-live-part]") && etag) event.detail.headers["If-None-Match"] = etag;
  });
  // The title comes with htmx; the icon is the answer's, so that a tab in the background turns red too.
  const icon = (page) => {
    const link = new DOMParser().parseFromString(page, "text/html").querySelector("link[rel=icon]");
    if (link) document.querySelector("link[rel=icon]").dataset.iconState = link.getAttribute("href");
  };
  const fresh = (at) => {
    const line = document.querySelector("[data-fresh]");
    if (!line) return;
    const time = at ? new Date(at) : new Date();
    line.querySelector("time").dateTime = time.toISOString();
    line.querySelector("[data-fresh-clock]").textContent = time.toISOString().slice(11, 19);
  };
  // Before the swap: afterwards the part that asked is no longer in the page.
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    if (!event.target.matches("[data-live-part]")) return;
    const { xhr } = event.detail;
    if (xhr.status !== 200 && xhr.status !== 304) return;
    etag = xhr.getResponseHeader("ETag") || etag;
    unanswered(false);
    if (xhr.status === 200) { icon(xhr.responseText); kept = keep(); }
    fresh(xhr.getResponseHeader("Date"));
  });
  // What the new part does not know: the words of the search, how far tables are scrolled, what is
  // unfolded, and where the focus is.
  let kept = null;
  const keep = () => {
    const el = part();
    const here = document.activeElement;
    return {
      search: el.querySelector("[data-search]")?.value,
      scrolls: [...el.querySelectorAll(".scroll")].map((one) => one.scrollLeft),
      boxes: [...el.querySelectorAll("input[type=checkbox][name=ab]:checked")].map((one) => one.value),
      folds: [...el.querySelectorAll("details")].map((one) => one.open),
      focus: el.contains(here) && here.closest("[id]") ? { id: here.closest("[id]").id, href: here.getAttribute("href") } : null,
    };
  };
  const putBack = () => {
    const el = part();
    if (!kept || !el) return;
    const search = el.querySelector("[data-search]");
    if (search && kept.search !== undefined) search.value = kept.search;
    el.querySelectorAll(".scroll").forEach((one, n) => { one.scrollLeft = kept.scrolls[n] ?? 0; });
    el.querySelectorAll("details").forEach((one, n) => { one.open = kept.folds[n] ?? one.open; });
    kept.boxes.forEach((value) => { const box = el.querySelector(`input[name=ab][value="${CSS.escape(value)}"]`); if (box) box.checked = true; });
    if (kept.focus?.href) document.getElementById(kept.focus.id)?.querySelector(`[href="${CSS.escape(kept.focus.href)}"]`)?.focus({ preventScroll: true });
    kept = null;
  };
  document.addEventListener("htmx:afterSettle", () => { putBack(); document.dispatchEvent(new Event("partchange")); });
})();

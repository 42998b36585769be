// Live refresh. The part of the page marked data-live-part is fetched again by htmx while somebody
// looks; an unchanged page costs a 304. What is being read never moves: cursor, selection, folds and
// half-typed words are put back, and nothing is fetched while a dialog is open or a field in use.
//   <div id="live" data-live-part data-every="5" hx-get="…" hx-trigger="live" hx-select="#live" hx-swap="outerHTML">
(() => {
  let on = true;
  let etag = "";
  const part = () => document.querySelector("[data-live-part]");
  const busy = () => {
    const here = document.activeElement;
    return document.querySelector("dialog[open]") || (here && here.matches("textarea, input[type=text], input[type=search], select") && here.closest("[data-live-part]"));
  };
  const refresh = () => {
    const el = part();
    if (!el || !on || document.hidden || busy()) return;
    window.htmx.trigger(el, "live");
  };
  document.addEventListener("DOMContentLoaded", () => {
    const el = part();
    if (!el) return;
    setInterval(refresh, Number(el.dataset.every || 5) * 1000);
    document.addEventListener("visibilitychange", refresh);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-live]");
    if (!button) return;
    on = button.dataset.live === "on";
    document.querySelectorAll("[data-live]").forEach((b) => b.setAttribute("aria-pressed", b === button));
    refresh();
  });
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.target.matches("[data-live-part]") && etag) event.detail.headers["If-None-Match"] = etag;
  });
  const fresh = (at) => {
    const line = document.querySelector("[data-fresh]");
    if (!line) return;
    const time = at ? new Date(at) : new Date();
    line.querySelector("time").dateTime = time.toISOString();
    line.querySelector("[data-fresh-clock]").textContent = time.toISOString().slice(11, 19);
  };
  document.addEventListener("htmx:afterRequest", (event) => {
    if (!event.target.matches("[data-live-part]")) return;
    const { xhr } = event.detail;
    if (xhr.status !== 200 && xhr.status !== 304) return;
    etag = xhr.getResponseHeader("ETag") || etag;
    fresh(xhr.getResponseHeader("Date"));
  });
  document.addEventListener("htmx:afterSettle", () => { document.dispatchEvent(new Event("partchange")); });
})();

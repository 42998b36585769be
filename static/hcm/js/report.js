// Draws the panels of a report with plotly.js: numbers come as typed arrays from data-figure, colours
// from the page's tokens. A point that belongs to a block opens it.
(() => {
  const draw = async (el) => {
    let figure;
    try {
      const answer = await fetch(el.dataset.figure, { headers: { Accept: "application/json" } });
      figure = await answer.json();
      if (!answer.ok) throw new Error(figure.detail);
    } catch (error) {
      el.innerHTML = "";
      const p = document.createElement("p");
      p.className = "small quiet panel-body";
      p.textContent = `The plot could not be drawn: ${error.message}. The values are safe; the table below has them.`;
      el.append(p);
      return;
    }
    el.figure = figure;
    paint(el);
  };
  const decode = (typed) => {
    const bytes = Uint8Array.from(atob(typed.bdata), (c) => c.charCodeAt(0));
    const Kind = { f8: Float64Array, f4: Float32Array, i1: Int8Array }[typed.dtype];
    return Array.from(new Kind(bytes.buffer));
  };
  const symbols = ["circle", "square", "triangle-up", "diamond"];
  const DAY = 86400000;

  const traces = (set, n, unit) => {
    const theme = plotTheme.traces();
    const [time, value] = [decode(set.time), decode(set.value)];
    const pick = (test) => time.map((_, i) => i).filter(test);
    const make = (at, base, name) => ({
      ...base, type: "scatter", x: at.map((i) => time[i]), y: at.map((i) => value[i]), name,
      customdata: at.map((i) => [set.blocks[i], set.result[i] === 1 ? "NOK" : set.result[i] === 0 ? "OK" : "not scored"]),
      hovertemplate: `%{y:.6g} ${unit}, %{customdata[1]}<br>%{x|%Y-%m-%d %H:%M:%S} UT<br>%{customdata[0]}<extra>${set.name}</extra>`,
    });
    const point = { ...theme.point, marker: { ...theme.point.marker, symbol: symbols[n % 4], color: plotTheme.colour(`plot-${(n % 4) + 1}`) } };
    const grey = { mode: "markers", marker: { size: 6, symbol: "circle-open", color: plotTheme.colour("mute") } };
    const out = [
      make(pick((i) => set.result[i] === 0), point, "OK"),
      make(pick((i) => set.result[i] < 0), grey, "not scored"),
      make(pick((i) => set.result[i] === 1), theme.outlier, "outlier"),
    ];
    // The latest night: the date of UT minus 21 h, as everywhere.
    const night = (ms) => Math.floor((ms - 21 * 3600000) / DAY);
    if (time.length) {
      const last = night(time[time.length - 1]);
      out.push({ ...make(pick((i) => night(time[i]) === last), theme.latest, "latest"), hovertemplate: undefined });
    }
    return out;
  };
  const limitLines = (set) => {
    const time = decode(set.time);
    return ["lower", "upper"].map((side) => ({
      type: "scatter", mode: "lines", x: time, y: decode(set[side]).map((v) => (Number.isFinite(v) ? v : null)),
      line: { color: plotTheme.colour("ink-2"), width: 1.25, dash: "7px,4px", shape: "hv" }, hoverinfo: "skip", connectgaps: false,
    }));
  };
  const range = (sets) => {
    // Average and limits decide the axis; what lies beyond is still there on zooming out.
    const all = sets.flatMap((set) => [...decode(set.value), ...decode(set.lower), ...decode(set.upper)]).filter(Number.isFinite);
    if (!all.length) return undefined;
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const pad = (high - low || Math.abs(high) || 1) * 0.08;
    return [low - pad, high + pad];
  };
  const paint = (el) => {
    const { datasets, unit } = el.figure;
    const n = datasets.reduce((sum, set) => sum + set.n, 0);
    const data = datasets.flatMap((set, i) => [...limitLines(set), ...traces(set, i, unit)]);
    const shapes = datasets.filter((set) => set.average !== null).map((set) => plotTheme.shapes.average(set.average));
    const layout = {
      template: plotTheme.template(), ...plotTheme.layout, shapes,
      xaxis: { type: "date" }, yaxis: { title: { text: unit, standoff: 6 }, range: range(datasets) },
      annotations: n ? [] : [{ text: "no data in this range", showarrow: false, xref: "paper", yref: "paper", x: 0.5, y: 0.5, font: { size: 13, color: plotTheme.colour("ink-3") } }],
    };
    window.Plotly.react(el, data, layout, plotTheme.config);
    el.dataset.drawn = n;
    if (!el.dataset.bound) {
      el.dataset.bound = "1";
      el.on("plotly_click", (event) => {
        const name = event.points[0]?.customdata?.[0];
        if (name) location.href = datasets[0].block_url.replace("AB", encodeURIComponent(name));
      });
    }
  };
  const all = () => document.querySelectorAll("[data-figure]");
  document.addEventListener("DOMContentLoaded", () => { all().forEach(draw); });
  const repaint = () => all().forEach((el) => { if (el.figure) paint(el); });
  document.documentElement.addEventListener("themechange", repaint);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
})();

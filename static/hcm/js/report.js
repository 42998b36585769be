// Draws the panels of a report with plotly.js: numbers come as typed arrays from data-figure, colours
// from the page's tokens. A point that belongs to a block opens it.
(() => {
  const DAY = 86400000;
  const symbols = ["circle", "square", "triangle-up", "diamond"];
  const Kinds = { f8: Float64Array, f4: Float32Array, i1: Int8Array };
  const decode = (typed) => {
    const bytes = Uint8Array.from(atob(typed.bdata), (c) => c.charCodeAt(0));
    return Array.from(new Kinds[typed.dtype](bytes.buffer));
  };
  const read = (set) => ({ ...set, time: decode(set.time), value: decode(set.value), lower: decode(set.lower), upper: decode(set.upper) });
  // The night of an instant: the date of UT minus 21 h, as everywhere.
  const night = (ms) => Math.floor((ms - 21 * 3600000) / DAY);
  const quantity = (value) => String(Number(value.toPrecision(6))).replace("-", "−");

  // What the axis shows: limits and the bulk of the values, and whatever lies not too far from them.
  // The rest are aliens: drawn at the border, with their value.
  const range = (sets) => {
    const values = sets.flatMap((set) => set.value).filter(Number.isFinite).sort((a, b) => a - b);
    if (!values.length) return undefined;
    const limits = sets.flatMap((set) => [...set.lower, ...set.upper]).filter(Number.isFinite);
    const at = (share) => values[Math.round(share * (values.length - 1))];
    const core = [at(0.05), at(0.95), ...limits];
    const [low, high] = [core.reduce((a, b) => Math.min(a, b)), core.reduce((a, b) => Math.max(a, b))];
    const span = high - low || Math.abs(high) || 1;
    const near = values.filter((value) => value >= low - 0.75 * span && value <= high + 0.75 * span);
    const [bottom, top] = [Math.min(low, near[0]), Math.max(high, near[near.length - 1])];
    const pad = (top - bottom || span) * (near.length < values.length ? 0.16 : 0.08);
    return [bottom - pad, top + pad];
  };

  const traces = (set, n, unit, [bottom, top]) => {
    const theme = plotTheme.traces();
    const isAlien = (i) => set.value[i] < bottom || set.value[i] > top;
    const pick = (test) => set.time.map((_, i) => i).filter(test);
    const word = { 0: "OK", 1: "NOK" };
    const make = (at, base, more) => ({
      ...base, type: "scatter", x: at.map((i) => set.time[i]),
      y: at.map((i) => Math.max(bottom, Math.min(top, set.value[i]))),
      customdata: at.map((i) => [set.blocks[i], word[set.result[i]] || "not scored", quantity(set.value[i]), i]),
      hovertemplate: `%{customdata[2]} ${unit}, %{customdata[1]}<br>%{x|%Y-%m-%d %H:%M:%S} UT<br>%{customdata[0]}<extra>${set.name}</extra>`,
      ...more,
    });
    const point = { ...theme.point, marker: { ...theme.point.marker, symbol: symbols[n % 4], color: plotTheme.colour(`plot-${(n % 4) + 1}`) } };
    const grey = { mode: "markers", marker: { size: 6, symbol: "circle-open", color: plotTheme.colour("mute") } };
    const [warned, out] = [new Set(set.warning), new Set(set.excluded)];
    const aliens = pick(isAlien);
    const alien = make(aliens, theme.alien, {
      text: aliens.map((i) => `${quantity(set.value[i])}  `), textfont: { color: plotTheme.colour("nok"), size: 11 }, textposition: "middle left",
    });
    alien.y = aliens.map((i) => (set.value[i] > top ? top - 0.05 * (top - bottom) : bottom + 0.05 * (top - bottom)));
    alien.marker = { ...alien.marker, symbol: aliens.map((i) => (set.value[i] > top ? "triangle-up" : "triangle-down")) };
    const newest = set.time.length ? night(set.time[set.time.length - 1]) : null;
    return [
      make(pick((i) => set.result[i] === 0 && !isAlien(i) && !out.has(i)), point),
      make(pick((i) => warned.has(i) && !isAlien(i)), theme.warning, { hovertemplate: undefined }),
      make(pick((i) => out.has(i) && !isAlien(i)), theme.hidden),
      make(pick((i) => set.result[i] < 0 && !isAlien(i)), grey),
      make(pick((i) => set.result[i] === 1 && !isAlien(i)), theme.outlier),
      alien,
      make(pick((i) => night(set.time[i]) === newest && !isAlien(i)), theme.latest, { hovertemplate: undefined }),
    ];
  };
  // Limits as they were at the time: steps; the band between them only where both are known throughout.
  const limitLines = (set, alone) => {
    const line = { color: plotTheme.colour("ink-2"), width: 1.25, dash: "7px,4px", shape: "hv" };
    const banded = alone && set.time.length && [...set.lower, ...set.upper].every(Number.isFinite);
    return ["lower", "upper"].map((side) => ({
      type: "scatter", mode: "lines", x: set.time, y: set[side].map((v) => (Number.isFinite(v) ? v : null)),
      line, hoverinfo: "skip", connectgaps: false,
      ...(banded && side === "upper" ? { fill: "tonexty", fillcolor: plotTheme.colour("plot-band") } : {}),
    }));
  };
  // On the page of one value that one is marked instead of the newest.
  const notes = (sets, here) => {
    if (here) {
      return [{ text: "<b>this value</b>", showarrow: false, xref: "x", yref: "paper", x: here, y: 1, xanchor: "auto", yanchor: "bottom", font: { size: 11, color: plotTheme.colour("act") } }];
    }
    const last = Math.max(...sets.map((set) => set.time[set.time.length - 1] ?? -Infinity));
    if (!Number.isFinite(last)) {
      return [{ text: "no data in this range", showarrow: false, xref: "paper", yref: "paper", x: 0.5, y: 0.5, font: { size: 13, color: plotTheme.colour("ink-3") } }];
    }
    return [{
      text: `<b>${new Date(last).toISOString().slice(0, 10)}</b>`, showarrow: false, xref: "paper", yref: "paper",
      x: 1, y: 1, xanchor: "right", yanchor: "bottom", font: { size: 11, color: plotTheme.colour("act") },
    }];
  };
  // What happened to the instrument: a line with its title, which is text and no markup.
  const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const titles = (events) => events.map((event) => ({
    text: plain(event.title.length > 32 ? `${event.title.slice(0, 31)}…` : event.title), hovertext: plain(event.title),
    x: event.time, y: 1, xref: "x", yref: "paper", xanchor: "left", yanchor: "top", showarrow: false, textangle: -90,
    font: { size: 10, color: plotTheme.colour("human") },
  }));
  const paint = (el) => {
    const { sets, unit, events } = el.figure;
    const here = el.dataset.row ? sets[0].time[sets[0].rows.indexOf(Number(el.dataset.row))] : undefined;
    const axis = range(sets);
    const data = sets.flatMap((set, i) => [...limitLines(set, sets.length === 1), ...traces(set, i, unit, axis || [0, 1])]);
    const layout = {
      template: plotTheme.template(), ...plotTheme.layout,
      shapes: [
        ...sets.filter((set) => set.average !== null).map((set) => plotTheme.shapes.average(set.average)),
        ...(here ? [{ type: "line", xref: "x", yref: "paper", x0: here, x1: here, y0: 0, y1: 1, line: { color: plotTheme.colour("act"), width: 1, dash: "dot" } }] : []),
        ...events.map((event) => plotTheme.shapes.event(event.time, event.time)),
      ],
      xaxis: { type: "date", visible: Boolean(axis) }, yaxis: { title: { text: unit, standoff: 6 }, range: axis, visible: Boolean(axis) }, annotations: [...notes(sets, here), ...titles(events)],
    };
    window.Plotly.react(el, data, layout, plotTheme.config);
    const outside = axis ? sets.flatMap((set) => set.value).filter((v) => v < axis[0] || v > axis[1]).length : 0;
    const count = document.querySelector(`[data-aliens="${el.dataset.number}"]`);
    if (count) count.textContent = `, ${outside} alien${outside === 1 ? "" : "s"}`;
    el.dataset.drawn = sets.reduce((sum, set) => sum + set.n, 0);
  };
  const draw = async (el) => {
    try {
      const answer = await fetch(el.dataset.figure, { headers: { Accept: "application/json" } });
      const figure = await answer.json();
      if (!answer.ok) throw new Error(figure.detail);
      el.figure = { ...figure, sets: figure.datasets.map(read) };
    } catch (error) {
      const p = document.createElement("p");
      p.className = "small quiet panel-body";
      p.textContent = `The plot could not be drawn: ${error.message}. The values are safe; the table below has them.`;
      el.replaceChildren(p);
      return;
    }
    paint(el);
    el.on("plotly_click", (event) => {
      const [name, , , i] = event.points[0]?.customdata || [];
      const set = el.figure.sets[0];
      if (set.rows && i !== undefined) { location.href = set.row_url.replace(/0\/$/, `${set.rows[i]}/`); return; }
      if (name) location.href = el.figure.sets[0].block_url.replace("AB", encodeURIComponent(name).replaceAll("%3A", ":"));
    });
  };
  const all = () => document.querySelectorAll("[data-figure]");
  const repaint = () => all().forEach((el) => { if (el.figure) paint(el); });
  document.addEventListener("DOMContentLoaded", () => { all().forEach(draw); });
  document.documentElement.addEventListener("themechange", repaint);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
})();

// Draws traffic by reason as stacked areas in SVG: passed packets below, dropped ones above.

import { drawn, element, say } from "./element.js";
import { clock, count, short } from "./words.js";

const HEIGHT = 260;
/** Least width. One unit is a pixel, so that text is as large as that around it on a phone as well. */
const NARROWEST = 280;
const [LEFT, RIGHT, TOP, BOTTOM] = [56, 10, 12, 26];
/** Reasons that have a colour of their own; the others share the last one. */
const COLOURS = 5;
/** Points of a line, at the most. */
const POINTS = 300;
/** What lies above the greatest value, so that waves are seen there. */
const HEADROOM = 1.1;
/** Least time that is shown, s. */
const SHORTEST = 60;
/** Seconds without a point after which a line begins anew. */
const GAP = 15;

/** A chart; `show(history, drops, waves)` draws it. */
export function chart(title) {
  const areas = drawn("g");
  const frame = drawn("g");
  const bands = drawn("g");
  const picture = drawn("svg", { class: "chart", role: "img", "aria-label": title });
  picture.append(bands, areas, frame);
  const legend = element("ul", { class: "legend" });
  const node = element("div", {}, picture, legend);

  /**
   * @param {{ time: number, reasons: Record<string, number> }[]} history
   * @param {(reason: string) => boolean} drops
   * @param {{ began_ms: number, ended_ms: number | null }[]} waves
   */
  function show(history, drops, waves) {
    const points = thinned(history);
    const layers = layers_of(points, drops);
    // The latest is at the right edge, however few seconds there are.
    const to = points.at(-1)?.time ?? 0;
    const from = Math.min(points[0]?.time ?? 0, to - SHORTEST);
    const wide = Math.max(NARROWEST, node.clientWidth);
    picture.setAttribute("viewBox", `0 0 ${wide} ${HEIGHT}`);
    const sums = points.map((_, at) => layers.reduce((sum, layer) => sum + layer.values[at], 0));
    const most = rounded(Math.max(10, ...sums) * HEADROOM);
    const x = (time) => LEFT + ((time - from) / (to - from)) * (wide - LEFT - RIGHT);
    const y = (value) => HEIGHT - BOTTOM - (value / most) * (HEIGHT - TOP - BOTTOM);
    areas.replaceChildren(...stacked(points, layers, x, y));
    const marked = waves.flatMap((wave) => band(wave, from, to, x));
    bands.replaceChildren(...marked.map((one) => one.area));
    frame.replaceChildren(...grid(from, to, most, x, y), ...marked.map((one) => one.words));
    const last = layers.map((layer) => [layer.name, layer.values.at(-1) ?? 0]);
    legends(legend, layers, last);
    const told = last.map(([name, rate]) => `${name} ${count(rate)}`).join(", ");
    picture.setAttribute("aria-label", `${title}. Packets/s at last: ${told}.`);
  }

  return { node, show };
}

/** Of points that are too many, those that are left stand for the greatest of their neighbours. */
function thinned(history) {
  const step = Math.ceil(history.length / POINTS);
  if (step <= 1) return history;
  const points = [];
  for (let at = 0; at < history.length; at += step) {
    const some = history.slice(at, at + step);
    const sum = (point) => Object.values(point.reasons).reduce((all, rate) => all + rate, 0);
    points.push(some.reduce((one, other) => (sum(other) > sum(one) ? other : one)));
  }
  return points;
}

/** What passes, and the reasons for drops, those with most first. */
function layers_of(points, drops) {
  const totals = {};
  for (const { reasons } of points) for (const [name, rate] of Object.entries(reasons)) totals[name] = (totals[name] ?? 0) + rate;
  const dropping = Object.keys(totals).filter((name) => drops(name) && totals[name] > 0);
  dropping.sort((one, other) => totals[other] - totals[one]);
  const own = dropping.slice(0, COLOURS);
  const rest = dropping.slice(COLOURS);
  const values = (names) => points.map(({ reasons }) => names.reduce((sum, name) => sum + (reasons[name] ?? 0), 0));
  const passing = Object.keys(totals).filter((name) => !drops(name));
  return [
    { name: "passes", paint: "pass", values: values(passing) },
    ...own.map((name, at) => ({ name: `dropped for ${name}`, paint: `s${at}`, values: values([name]) })),
    ...(rest.length ? [{ name: "dropped for other reasons", paint: `s${COLOURS}`, values: values(rest) }] : []),
  ];
}

function stacked(points, layers, x, y) {
  let base = points.map(() => 0);
  return layers.map((layer) => {
    const top = base.map((below, at) => below + layer.values[at]);
    let path = "";
    // A gap in time is shown as a gap.
    let start = 0;
    for (let end = 1; end <= points.length; end += 1) {
      if (end < points.length && points[end].time - points[end - 1].time < GAP) continue;
      const places = points.slice(start, end).map((_, at) => start + at);
      const upper = places.map((at) => `${x(points[at].time).toFixed(1)},${y(top[at]).toFixed(1)}`);
      const lower = places.reverse().map((at) => `${x(points[at].time).toFixed(1)},${y(base[at]).toFixed(1)}`);
      path += `M${[...upper, ...lower].join("L")}Z`;
      start = end;
    }
    base = top;
    return drawn("path", { class: layer.paint, d: path });
  });
}

function band(wave, from, to, x) {
  const [begin, end] = [wave.began_ms / 1000, (wave.ended_ms ?? to * 1000) / 1000];
  if (end < from || begin > to) return [];
  const left = x(Math.max(begin, from));
  const width = Math.max(1, x(Math.min(end, to)) - left);
  const words = drawn("text", { x: left + 4, y: TOP + 10 }, `wave ${wave.number}`);
  return [{ area: drawn("rect", { class: "band", x: left, y: TOP, width, height: HEIGHT - TOP - BOTTOM }), words }];
}

function grid(from, to, most, x, y) {
  const lines = [0, 0.5, 1].flatMap((share) => {
    const at = y(most * share);
    const line = drawn("line", { class: "grid", x1: LEFT, x2: x(to), y1: at, y2: at });
    return [line, drawn("text", { x: LEFT - 6, y: at + 4, "text-anchor": "end" }, short(most * share))];
  });
  const times = [from, (from + to) / 2, to].map((time, at) => {
    const anchor = ["start", "middle", "end"][at];
    return drawn("text", { x: x(time), y: HEIGHT - 6, "text-anchor": anchor }, to ? clock(time * 1000) : "");
  });
  return [...lines, ...times];
}

/** 1, 2 or 5 times a power of ten. */
function rounded(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((times) => times * power).find((round) => round >= value);
}

function legends(legend, layers, last) {
  while (legend.children.length > layers.length) legend.lastChild.remove();
  while (legend.children.length < layers.length) {
    legend.append(element("li", {}, element("span", { class: "swatch" }), element("span")));
  }
  layers.forEach((layer, at) => {
    const [swatch, words] = legend.children[at].children;
    swatch.setAttribute("class", `swatch ${layer.paint}`);
    say(words, `${layer.name}: ${count(last[at][1])}/s`);
  });
}

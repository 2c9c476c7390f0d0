// The pictures of the dashboard: what the samples of a run say over time, drawn by uPlot.
"use strict";

const MOST = 4000; // points in memory; beyond, the series is asked for anew as the run has thinned it out
const HEIGHT = 190;
const told = { fields: [], rows: [], target: null, budget: {} };
const charts = new Map();
let range = 0;

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const count = (value) => (value === null || value === undefined ? "–" : Math.abs(value) < 10000 ? plain.format(value) : compact.format(value));
const percent = (value) => (value === null || value === undefined ? "–" : `${plain.format(value)}%`);
const dollars = (value) => (value === null || value === undefined ? "–" : `$${value < 1 ? Number(value.toPrecision(2)) : count(value)}`);

/** Takes in an answer of /dashboard/data; returns the moment to ask from next, 0 to begin anew. */
export function take(answer, anew) {
  const empty = answer.rows.length === 0;
  Object.assign(told, { fields: answer.fields, target: answer.target, budget: answer.budget });
  told.rows = anew ? answer.rows : [...told.rows, ...answer.rows];
  if (anew || !empty) redrawData();
  return told.rows.length === 0 || told.rows.length > MOST ? 0 : told.rows.at(-1)[0];
}

export function draw(seconds) {
  range = seconds;
  redrawData();
}

/** Draws everything anew: the colours have changed. */
export function redraw() {
  charts.forEach((chart) => chart.destroy());
  charts.clear();
  redrawData();
}

// the numbers

/** The samples as columns, the range that is looked at, with a hole between two starts. */
function columns() {
  const names = told.fields;
  const last = told.rows.at(-1)?.[0] ?? 0;
  const rows = told.rows.filter((row) => !range || row[0] >= last - range * 1000);
  const [at, start] = [names.indexOf("at"), names.indexOf("start")];
  const holed = [];
  rows.forEach((row, place) => {
    if (place && rows[place - 1][start] !== row[start]) {
      holed.push(names.map((name) => (name === "at" ? rows[place - 1][at] + 1 : null)));
    }
    holed.push(row);
  });
  return Object.fromEntries(names.map((name, place) => [name, holed.map((row) => row[place])]));
}

/** What went on before each sample, over a stretch of work long enough to be told apart from noise. */
function paces(of) {
  const known = of.seconds.filter((value) => value !== null);
  const stretch = Math.max(10, (known.at(-1) - known[0]) / 40);
  let from = 0;
  return of.seconds.map((seconds, place) => {
    if (seconds === null) {
      from = place + 1;
      return null;
    }
    while (from < place - 1 && seconds - of.seconds[from + 1] >= stretch) from += 1;
    const time = seconds - of.seconds[from];
    if (place === from || time <= 0) return null;
    const grown = (name) => Math.max(0, of[name][place] - of[name][from]);
    const [accepted, duplicates, calls, tokens] = ["accepted", "duplicates", "calls", "tokens"].map(grown);
    return { time, accepted, duplicates, calls, tokens, ended: accepted + grown("rejected") + grown("failed") };
  });
}

const each = (list, value) => list.map((one, place) => (one === null ? null : value(one, place)));
const share = (part, all) => (all ? (100 * part) / all : null);
/** A limit as a line, where it would not press what is drawn to the ground. */
const limit = (label, value, values, more = {}) =>
  value && value < 2 * Math.max(...values) ? [{ label, colour: "--failed", dash: true, values: values.map(() => value), ...more }] : [];

function figures() {
  const of = columns();
  const pace = paces(of);
  const sums = (...names) => each(of.at, (_, place) => (of[names[0]][place] === null ? null : names.reduce((sum, name) => sum + of[name][place], 0)));
  const graph = of.all_entities.some((value) => value);
  const money = of.usd.some((value) => value);
  const fleet = of.workers.some((value) => value) || of.ready.some((value) => value);
  const { tokens, usd } = told.budget;
  return {
    xs: of.at.map((value) => value / 1000),
    ended: [
      { label: "failed", colour: "--failed", fill: true, values: sums("accepted", "rejected", "failed"), shown: of.failed },
      { label: "rejected", colour: "--rejected", fill: true, values: sums("accepted", "rejected"), shown: of.rejected },
      { label: "accepted", colour: "--accepted", fill: true, values: of.accepted },
      ...limit("target", told.target, of.accepted, { colour: "--dim" }),
    ],
    quality: [
      { label: "accepted", colour: "--accepted", unit: percent, values: each(pace, (one) => share(one.accepted, one.ended)) },
      { label: "new drafts", colour: "--line-b", unit: percent, values: each(pace, (one) => share(one.ended - one.duplicates, one.ended)) },
    ],
    pace: [
      { label: "ended", colour: "--line-b", fill: true, values: each(pace, (one) => (60 * one.ended) / one.time) },
      { label: "accepted", colour: "--accepted", fill: true, values: each(pace, (one) => (60 * one.accepted) / one.time) },
    ],
    traffic: [
      { label: "calls/s", colour: "--line-a", values: each(pace, (one) => one.calls / one.time) },
      { label: "tokens/s", colour: "--line-c", right: true, values: each(pace, (one) => one.tokens / one.time) },
    ],
    spent: [
      { label: "tokens", colour: "--line-c", fill: true, values: of.tokens },
      ...limit("token budget", tokens, of.tokens),
      ...(money ? [{ label: "money", colour: "--line-a", right: true, unit: dollars, values: of.usd }] : []),
      ...(money ? limit("money budget", usd, of.usd, { right: true, unit: dollars }) : []),
    ],
    coverage: [
      ...(graph ? [{ label: "entities", colour: "--line-c", unit: percent, values: each(of.entities, (value, place) => share(value, of.all_entities[place])) }] : []),
      { label: "chunks", colour: "--line-b", unit: percent, values: each(of.chunks, (value, place) => share(value, of.all_chunks[place])) },
      { label: "evenness", colour: "--line-a", unit: percent, values: each(of.spread, (value, place) => share(value, graph ? of.all_entities[place] : of.all_chunks[place])) },
    ],
    work: [
      { label: "in flight", colour: "--line-b", fill: true, values: of.running },
      { label: "places", colour: "--dim", dash: true, values: of.slots },
      ...(fleet ? [{ label: "ready", colour: "--line-a", values: of.ready }] : []),
      ...(fleet ? [{ label: "workers", colour: "--accepted", values: of.workers }] : []),
    ],
  };
}

// the pictures

function redrawData() {
  const found = told.rows.length > 1;
  document.getElementById("no-pictures").hidden = found;
  document.querySelector(".charts").hidden = !found;
  if (!found) return;
  const { xs, ...all } = figures();
  for (const [name, series] of Object.entries(all)) {
    const shape = series.map((one) => one.label).join();
    let chart = charts.get(name);
    if (chart && chart.shape !== shape) {
      chart.destroy();
      chart = undefined;
    }
    if (chart) chart.told = series;
    else charts.set(name, (chart = made(name, series, shape)));
    chart.setData([xs, ...series.map((one) => one.values)]);
    say(chart, name, series);
  }
}

/** What the picture shows, for those who do not see it. */
function say(chart, name, series) {
  const title = document.querySelector(`#chart-${name} h3`).textContent;
  const now = series.map((one) => {
    const values = (one.shown ?? one.values).filter((value) => value !== null);
    return `${one.label} ${values.length ? (one.unit ?? count)(values.at(-1)) : "not known"}`;
  });
  const canvas = chart.root.querySelector("canvas");
  canvas.setAttribute("role", "img");
  chart.root.querySelector(".u-legend").setAttribute("aria-label", `${title}, where the pointer is`);
  canvas.setAttribute("aria-label", `${title}, at the end: ${now.join(", ")}. The table below has the figures.`);
}

const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);

/** A colour as the canvas wants it, in the scheme that is on. */
function colour(name, strength = 100) {
  probe.style.color = strength === 100 ? `var(${name})` : `color-mix(in srgb, var(${name}) ${strength}%, var(--panel))`;
  return getComputedStyle(probe).color;
}

function clock(_, splits, axis, space, step) {
  const two = (value) => String(value).padStart(2, "0");
  return splits.map((seconds) => {
    const at = new Date(seconds * 1000);
    if (step >= 86400) return `${at.getDate()} ${at.toLocaleString("en", { month: "short" })}`;
    const minutes = `${two(at.getHours())}:${two(at.getMinutes())}`;
    if (step >= 60) return minutes;
    return `${minutes}:${step >= 1 ? two(at.getSeconds()) : (at.getSeconds() + at.getMilliseconds() / 1000).toFixed(1).padStart(4, "0")}`;
  });
}

function made(name, series, shape) {
  const box = document.querySelector(`#chart-${name} .plot`);
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: colour("--dim"), font, grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  const scale = (unit) => ({ range: (_, low, high) => [0, unit === percent ? 100 : Math.max(high * 1.05, low === high ? 1 : 0, 1e-6)] });
  const left = series.find((one) => !one.right);
  const right = series.find((one) => one.right);
  const values = (one) => (_, splits) => splits.map((value) => (one.unit ?? count)(value));
  const options = {
    width: box.clientWidth || 300,
    height: HEIGHT,
    padding: [8, right ? 0 : 28, 0, 0],
    cursor: { sync: { key: "dashboard" }, drag: { x: true, y: false }, points: { size: 6 } },
    scales: { x: { time: true }, y: scale(left.unit), ...(right ? { right: scale(right.unit) } : {}) },
    axes: [
      { ...axis, values: clock, space: 70, size: 30 },
      { ...axis, values: values(left), size: 52, space: 34 },
      ...(right ? [{ ...axis, side: 1, scale: "right", values: values(right), size: 52, space: 34, grid: { show: false } }] : []),
    ],
    series: [
      { label: "at", value: (_, seconds) => (seconds === null || seconds === undefined ? "the end" : new Date(seconds * 1000).toLocaleTimeString("en-GB")) },
      ...series.map((one, place) => ({
        label: one.label,
        scale: one.right ? "right" : "y",
        stroke: colour(one.colour),
        width: one.dash ? 1.5 : 2,
        dash: one.dash ? [6, 5] : undefined,
        fill: one.fill ? colour(one.colour, 35) : undefined,
        points: { show: false },
        value: (self, value, _, at) => {
          const now = charts.get(name)?.told[place] ?? one;
          const values = now.shown ?? now.values;
          return (one.unit ?? count)(at === null || at === undefined ? values.at(-1) : values[at]);
        },
      })),
    ],
  };
  const chart = new uPlot(options, [[], ...series.map(() => [])], box);
  chart.told = series;
  chart.shape = shape;
  const watch = new ResizeObserver(() => chart.setSize({ width: box.clientWidth, height: HEIGHT }));
  watch.observe(box);
  const destroy = chart.destroy.bind(chart);
  chart.destroy = () => {
    watch.disconnect();
    destroy();
  };
  return chart;
}

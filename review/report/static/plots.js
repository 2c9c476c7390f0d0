// Pictures: the map on a canvas of its own, lines and bars by uPlot. They know no report, only numbers and names.
"use strict";

const COLOURS = 10;

/** light-dark() stays as it is written in a custom property: an element has to be asked what it means. */
const probe = document.createElement("i");
function shade(name) {
  if (!probe.isConnected) {
    probe.hidden = true;
    document.body.append(probe);
  }
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

/** Draws points within [-1, 1]; `shadeOf(point)` says a colour's place, `tell(point)` is called with what is pointed at. */
function drawMap(canvas, points, shadeOf, chosen) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  const shades = Array.from({ length: COLOURS }, (_, place) => shade(`--c${place}`));
  const radius = points.length > 1000 ? 2.2 : points.length > 200 ? 3 : 4;
  pen.globalAlpha = points.length > 500 ? 0.65 : 0.85;
  points.forEach((point) => {
    const [x, y] = placeOf(point, width, height);
    pen.fillStyle = shades[shadeOf(point)];
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.fill();
  });
  if (chosen) {
    const [x, y] = placeOf(chosen, width, height);
    pen.globalAlpha = 1;
    pen.lineWidth = 2;
    pen.strokeStyle = shade("--text");
    pen.beginPath();
    pen.arc(x, y, radius + 4, 0, 2 * Math.PI);
    pen.stroke();
  }
}

function placeOf(point, width, height) {
  const [across, down] = [width / 2 - 14, height / 2 - 14];
  return [width / 2 + point.x * across, height / 2 - point.y * down];
}

/** The point nearest to a place on the canvas, none farther than 14 pixels. */
function nearestPoint(canvas, points, x, y) {
  let [best, least] = [null, 14 * 14];
  for (const point of points) {
    const [px, py] = placeOf(point, canvas.clientWidth, canvas.clientHeight);
    const far = (px - x) ** 2 + (py - y) ** 2;
    if (far < least) [best, least] = [point, far];
  }
  return best;
}

const WHOLE = [1, 2, 5].flatMap((step) => Array.from({ length: 12 }, (_, power) => step * 10 ** power)).sort((one, other) => one - other);

const axis = (label, whole = false) => ({
  label,
  labelSize: 18,
  size: 42,
  stroke: shade("--dim"),
  grid: { stroke: shade("--line"), width: 1 },
  ticks: { stroke: shade("--line"), width: 1 },
  font: "11px system-ui, sans-serif",
  labelFont: "11px system-ui, sans-serif",
  ...(whole ? { incrs: WHOLE } : {}),
});

/** Lines over x from 0 on: `lines` are {label, xs, values, shade, dash}, values may have holes. */
function drawLines(holder, lines, { x, y, height = 220, top = null }) {
  const most = Math.max(1, ...lines.flatMap((line) => line.xs));
  return new uPlot(
    {
      width: Math.max(160, holder.clientWidth),
      height,
      scales: { x: { time: false, range: [0, most] }, y: { range: top === null ? (_, __, high) => [0, (high || 1) * 1.05] : [0, top] } },
      axes: [{ ...axis(x, true), size: 34 }, { ...axis(y), size: 56 }],
      series: [{ label: x }, ...lines.map((line) => ({ label: line.label, stroke: shade(line.shade), width: 2, dash: line.dash ? [6, 4] : undefined, spanGaps: true, points: { show: line.xs.length < 2 } }))],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
    },
    uPlot.join(lines.map((line) => [line.xs, line.values])),
    holder,
  );
}

/** Bars of one or two sets of values with the same edges: each is [from, up to, height]; the last one takes the rest. */
function drawBars(holder, sets, { x, y = "items", whole = false, height = 170 }) {
  const [first] = sets;
  const width = first.bars[0][1] - first.bars[0][0] || 1;
  const start = first.bars[0][0] - (whole ? 0.5 : 0); // the bar of a whole number stands over it
  const middles = first.bars.map((_, place) => start + width * (place + 0.5));
  const shape = sets.length === 1 ? [{ size: [0.92, 60] }] : [{ size: [0.44, 30], align: -1 }, { size: [0.44, 30], align: 1 }];
  return new uPlot(
    {
      width: Math.max(160, holder.clientWidth),
      height,
      scales: { x: { time: false, range: [start, start + width * first.bars.length] }, y: { range: (_, __, most) => [0, (most || 1) * 1.05] } },
      axes: [{ ...axis(x, whole), size: 34 }, { ...axis(y, sets.length === 1), size: 50 }],
      series: [{}, ...sets.map((set, place) => ({ label: set.label, stroke: shade(set.shade), fill: shade(set.shade), width: 0, paths: uPlot.paths.bars(shape[place]), points: { show: false } }))],
      legend: { show: false },
      cursor: { show: false },
    },
    [middles, ...sets.map((set) => set.bars.map((bar) => bar[2]))],
    holder,
  );
}

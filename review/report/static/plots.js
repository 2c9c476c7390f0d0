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

const axis = (label) => ({
  label,
  labelSize: 18,
  size: 42,
  stroke: shade("--dim"),
  grid: { stroke: shade("--line"), width: 1 },
  ticks: { stroke: shade("--line"), width: 1 },
  font: "11px system-ui, sans-serif",
  labelFont: "11px system-ui, sans-serif",
});

/** Lines over one range of x: `lines` are {label, values, shade}, values may have holes. */
function drawLines(holder, xs, lines, { x, y, height = 220, top = null }) {
  return new uPlot(
    {
      width: Math.max(160, holder.clientWidth),
      height,
      scales: { x: { time: false }, ...(top === null ? {} : { y: { range: [0, top] } }) },
      axes: [{ ...axis(x), size: 34 }, axis(y)],
      series: [{ label: x }, ...lines.map((line) => ({ label: line.label, stroke: shade(line.shade), width: 2, spanGaps: true, points: { show: xs.length < 2 } }))],
      legend: { show: lines.length > 1 },
      cursor: { y: false, drag: { x: false, y: false } },
    },
    [xs, ...lines.map((line) => line.values)],
    holder,
  );
}

/** Bars: each is [from, up to, count]; the last one takes the rest. */
function drawBars(holder, bars, { x, height = 170 }) {
  const width = bars[0][1] - bars[0][0] || 1;
  const middles = bars.map((bar, place) => bars[0][0] + width * (place + 0.5));
  return new uPlot(
    {
      width: Math.max(160, holder.clientWidth),
      height,
      scales: { x: { time: false, range: [bars[0][0], bars[0][0] + width * bars.length] }, y: { range: (_, __, most) => [0, Math.max(1, most * 1.05)] } },
      axes: [{ ...axis(x), size: 34 }, { ...axis("items"), size: 50 }],
      series: [{}, { label: "items", stroke: shade("--c0"), fill: shade("--c0"), width: 0, paths: uPlot.paths.bars({ size: [0.92, 60] }), points: { show: false } }],
      legend: { show: false },
      cursor: { show: false },
    },
    [middles, bars.map((bar) => bar[2])],
    holder,
  );
}

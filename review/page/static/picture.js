// The picture on a canvas: what is visible, in the colours that it is given, moved and zoomed by hand and by keys.
"use strict";

const LETTERS = 12;
const WORDS = 28; // characters of a label
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu; // they could reorder the labels beside them

function short(name) {
  const letters = [...name.replace(HIDDEN, " ").replace(/\s+/g, " ").trim()];
  return letters.length > WORDS ? `${letters.slice(0, WORDS - 1).join("")}…` : letters.join("");
}

/** Draws `scene` (see scene.js) and tells what is clicked: on.node(number), on.group(number), on.nothing(). */
function makePicture(canvas, scene, on) {
  const context = canvas.getContext("2d");
  let [zoom, left, top] = [1, 0, 0]; // a point of the scene stands at x * zoom + left
  let [width, height] = [0, 0];
  let waiting = false;
  let hover = null;
  let bodies = null; // what is drawn, made anew only when something else than the view changes
  let size = 1;
  const frames = []; // milliseconds that the last ones took

  const draw = () => {
    waiting = false;
    const start = performance.now();
    const ratio = canvas.width / Math.max(1, width);
    const grown = zoom < 0.3 ? 2.4 : zoom < 0.55 ? 1.6 : 1; // from afar a dot must still be one
    if (grown !== size) [bodies, size] = [null, grown];
    bodies ||= scene.bodies(grown);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(ratio * zoom, 0, 0, ratio * zoom, ratio * left, ratio * top);
    const colours = scene.colours();
    for (const { path, strong } of bodies.lines) {
      context.strokeStyle = colours.line;
      context.globalAlpha = Math.min(0.8, strong * (0.45 + 0.35 * Math.min(1, zoom)));
      context.lineWidth = Math.max(0.5, strong * 1.1) / Math.sqrt(zoom);
      context.stroke(path);
    }
    context.globalAlpha = 1;
    for (const { path, fill, stroke, dash, alpha } of bodies.shapes) {
      context.globalAlpha = alpha || 1;
      if (fill) {
        context.fillStyle = fill;
        context.fill(path);
      }
      if (stroke && (dash || zoom > 0.55)) {
        context.strokeStyle = stroke;
        context.lineWidth = (dash ? 1.6 : 1.1) / zoom;
        context.setLineDash(dash ? [3 / zoom, 2 / zoom] : []);
        context.stroke(path);
        context.setLineDash([]);
      }
    }
    context.globalAlpha = 1;
    marked(colours);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    labels(colours);
    frames.push(performance.now() - start);
    if (frames.length > 200) frames.shift();
  };

  /** What is chosen or under the pointer, with its lines. */
  const marked = (colours) => {
    const chosen = scene.chosen();
    for (const number of new Set([hover?.node, chosen])) {
      if (number === undefined || number === null || !scene.visible(number)) continue;
      const spot = scene.place[number];
      context.strokeStyle = colours.focus;
      context.lineWidth = 1.4 / zoom;
      context.beginPath();
      for (const other of scene.near(number)) {
        const end = scene.spot(other);
        context.moveTo(spot.x, spot.y);
        context.lineTo(end.x, end.y);
      }
      context.globalAlpha = 0.7;
      context.stroke();
      context.globalAlpha = 1;
      context.lineWidth = 2.5 / zoom;
      context.beginPath();
      context.arc(spot.x, spot.y, spot.size + 3 / zoom, 0, 2 * Math.PI);
      context.stroke();
    }
  };

  const labels = (colours) => {
    context.font = `${LETTERS}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "top";
    context.lineJoin = "round";
    context.lineWidth = 3.5;
    context.strokeStyle = colours.ground;
    const taken = [];
    const put = (text, x, y, bold) => {
      const half = (context.measureText(text).width * (bold ? 1.08 : 1)) / 2 + 3;
      const box = [x - half, y, x + half, y + LETTERS + 4];
      if (box[2] < 0 || box[0] > width || box[3] < 0 || box[1] > height) return false;
      if (taken.some((one) => box[0] < one[2] && one[0] < box[2] && box[1] < one[3] && one[1] < box[3])) return false;
      taken.push(box);
      context.fillStyle = bold ? colours.text : colours.dim;
      context.strokeText(text, x, y);
      context.fillText(text, x, y);
      return true;
    };
    const named = (spot, text, bold) =>
      put(text, spot.x * zoom + left, (spot.y + spot.size) * zoom + top + 2, bold);
    const first = [hover?.node, scene.chosen()].filter((one) => Number.isInteger(one) && scene.visible(one));
    for (const number of new Set(first)) named(scene.place[number], scene.label(number), true);
    for (const [disc, text] of bodies.titles) {
      if (disc.r * zoom > 14) put(text, disc.x * zoom + left, (disc.y + disc.inner) * zoom + top + 3, true);
    }
    let room = Math.max(12, Math.min(140, (width * height) / 9000));
    let tried = 0;
    for (const number of bodies.ranked) {
      if (room <= 0 || tried > 1200) break;
      const spot = scene.place[number];
      const [x, y] = [spot.x * zoom + left, spot.y * zoom + top];
      if (x < 0 || y < 0 || x > width || y > height) continue;
      tried += 1;
      if (named(spot, scene.label(number), false)) room -= 1;
    }
  };

  const soon = () => {
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  };

  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  const hit = ([px, py]) => {
    const [x, y] = [(px - left) / zoom, (py - top) / zoom];
    const node = scene.nodeAt(x, y, 6 / zoom);
    if (node !== null) return { node };
    const group = scene.groupAt(x, y);
    return group === null ? null : { group };
  };

  const scale = (factor, px = width / 2, py = height / 2) => {
    const next = Math.max(0.02, Math.min(12, zoom * factor));
    left = px - ((px - left) * next) / zoom;
    top = py - ((py - top) * next) / zoom;
    zoom = next;
    soon();
  };

  const held = new Map(); // pointers that are down
  let moved = 0;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    held.set(event.pointerId, at(event));
    if (held.size === 1) moved = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = at(event);
    const before = held.get(event.pointerId);
    if (!before) {
      const found = hit(now);
      canvas.style.cursor = found ? "pointer" : "grab";
      if (found?.node !== hover?.node) {
        hover = found;
        soon();
      }
      return;
    }
    const others = [...held].filter(([id]) => id !== event.pointerId).map(([, spot]) => spot);
    if (others.length) {
      const far = (spot) => Math.hypot(spot[0] - others[0][0], spot[1] - others[0][1]) || 1;
      scale(far(now) / far(before), (now[0] + others[0][0]) / 2, (now[1] + others[0][1]) / 2);
      moved += 10;
    } else {
      left += now[0] - before[0];
      top += now[1] - before[1];
      moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    }
    held.set(event.pointerId, now);
    soon();
  });
  const release = (event) => {
    if (!held.delete(event.pointerId) || held.size || moved > 6 || event.type === "pointercancel") return;
    const found = hit(at(event));
    if (found === null) on.nothing();
    else if ("node" in found) on.node(found.node);
    else on.group(found.group);
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    scale(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...at(event));
  }, { passive: false });

  const fit = () => {
    const [x1, y1, x2, y2] = scene.bounds();
    zoom = Math.max(0.02, Math.min(3, (width - 40) / Math.max(1, x2 - x1), (height - 40) / Math.max(1, y2 - y1)));
    left = (width - zoom * (x1 + x2)) / 2;
    top = (height - zoom * (y1 + y2)) / 2;
    soon();
  };
  canvas.addEventListener("keydown", (event) => {
    const step = 60;
    const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (moves[event.key]) {
      left += moves[event.key][0];
      top += moves[event.key][1];
      soon();
    } else if (event.key === "+" || event.key === "=") scale(1.3);
    else if (event.key === "-") scale(1 / 1.3);
    else if (event.key === "0") fit();
    else return;
    event.preventDefault();
  });

  const resize = () => {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const before = [width, height];
    [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    left += (width - before[0]) / 2;
    top += (height - before[1]) / 2;
    draw();
  };
  resize();
  fit();
  let ready = false;
  new ResizeObserver(() => {
    resize();
    if (!ready) fit();
    ready = true;
  }).observe(canvas);

  return {
    fit,
    scale,
    frames,
    /** Something else than the view has changed. */
    change() {
      bodies = null;
      soon();
    },
    soon,
    /** Brings an entity into view. */
    show(number) {
      const spot = scene.place[number];
      zoom = Math.max(zoom, 1.1);
      left = width / 2 - spot.x * zoom;
      top = height / 2 - spot.y * zoom;
      soon();
    },
    /** Where an entity stands on the screen, in pixels of the canvas. */
    where: (number) => [scene.place[number].x * zoom + left, scene.place[number].y * zoom + top],
    whereGroup: (number) => [scene.discs[number].x * zoom + left, scene.discs[number].y * zoom + top],
  };
}

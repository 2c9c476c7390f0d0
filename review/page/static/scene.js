// What the picture draws: colours, discs, lines and labels of what is shown, and what is under the pointer.
"use strict";

// colours

const dark = matchMedia("(prefers-color-scheme: dark)");
let shades = null;

/** The colours as the page has them now: variables have no value of their own, elements have. */
function colours() {
  if (shades) return shades;
  const probe = (name) => {
    const one = document.body.appendChild(make("span", { class: name }));
    const { backgroundColor: fill, borderTopColor: stroke, color } = getComputedStyle(one);
    one.remove();
    return { fill, stroke, color };
  };
  shades = {
    text: probe("probe-text").color,
    dim: probe("probe-dim").color,
    ground: probe("probe-ground").fill,
    line: probe("probe-line").stroke,
    focus: probe("probe-focus").stroke,
    levels: Object.fromEntries(data.levels.map((level) => [level, probe(`swatch ${level}`)])),
  };
  return shades;
}

function hue(number, count) {
  const angle = count <= 6 ? (number * 360) / count + 210 : number * 137.508 + 210;
  const [light, rich] = dark.matches ? [62 - 10 * (number % 2), 52] : [48 + 12 * (number % 2), 55];
  return `hsl(${Math.round(angle % 360)} ${rich}% ${light}%)`;
}

/** What a node is coloured by: its key, and how it looks. */
function keyOf(number) {
  if (colour === "group") return place[number].group;
  return colour === "type" ? data.nodes[number].t : data.nodes[number].l;
}

function lookOf(key) {
  if (colour === "level") {
    const { fill, stroke } = colours().levels[key];
    return { fill, stroke, dash: key === "never" };
  }
  if (colour === "group" && titles[key] === "Joined to nothing else") return { fill: colours().line };
  return { fill: hue(key, colour === "type" ? data.types.length : data.groups.length) };
}

// the scene that the picture draws

const shownIn = () => data.groups.map((group) => group.filter((number) => passing[number]));
let members = shownIn();

function circle(path, x, y, r) {
  path.moveTo(x + r, y);
  path.arc(x, y, r, 0, 2 * Math.PI);
}

/** What is drawn, as paths; `grown` is how much larger than near by the dots are. */
function bodies(grown) {
  const { ground, line } = colours();
  const shapes = [];
  const named = [];
  members.forEach((some, number) => {
    const disc = discs[number];
    if (!some.length) return;
    if (open.has(number)) {
      if (data.groups.length === 1) return;
      const halo = new Path2D();
      circle(halo, disc.x, disc.y, disc.r);
      shapes.push({ path: halo, fill: colour === "group" ? lookOf(number).fill : line, alpha: 0.1 });
    } else {
      named.push([{ ...disc, inner: bubble(number) * 0.15 }, `${heads[number]} · ${some.length.toLocaleString("en")}`]);
    }
  });
  const drawn = new Map();
  const pathOf = (key) => {
    if (!drawn.has(key)) drawn.set(key, new Path2D());
    return drawn.get(key);
  };
  members.forEach((some, number) => {
    if (open.has(number)) {
      for (const one of some) {
        const { x, y } = place[one];
        const size = place[one].size * grown;
        const path = pathOf(keyOf(one));
        if (colour === "level" && data.nodes[one].l === "lost") {
          path.moveTo(x, y - size);
          for (const [across, down] of [[size, 0], [0, size], [-size, 0], [0, -size]]) path.lineTo(x + across, y + down);
        } else circle(path, x, y, size);
      }
    } else if (some.length) slices(number, some, pathOf);
  });
  for (const [key, path] of [...drawn].sort(([one], [other]) => (one < other ? -1 : 1))) {
    shapes.push({ path, stroke: ground, ...lookOf(key) });
  }
  const ranked = data.nodes.map((_, number) => number).filter(visible);
  ranked.sort((one, other) => data.nodes[other].x - data.nodes[one].x || one - other);
  return { shapes, lines: lines(), titles: named.sort((one, other) => other[0].r - one[0].r), ranked };
}

/** A folded community's size on the picture: what passes the filter of it. */
const bubble = (number) => Math.max(10, discs[number].r * 0.8 * Math.sqrt(members[number].length / discs[number].size));

/** A folded community as a pie of its colours. */
function slices(number, some, pathOf) {
  const counts = new Map();
  for (const one of some) counts.set(keyOf(one), (counts.get(keyOf(one)) || 0) + 1);
  const { x, y } = discs[number];
  const r = bubble(number);
  let turn = -Math.PI / 2;
  for (const [key, count] of [...counts].sort((one, other) => other[1] - one[1])) {
    const end = turn + (2 * Math.PI * count) / some.length;
    const path = pathOf(key);
    if (counts.size === 1) circle(path, x, y, r);
    else {
      path.moveTo(x, y);
      path.arc(x, y, r, turn, end);
      path.closePath();
    }
    turn = end;
  }
}

/** Lines by strength: within a community, between two, and the sums of those that lead into folded ones. */
function lines() {
  const [inside, across] = [new Path2D(), new Path2D()];
  const sums = new Map();
  for (const [left, right, weight] of links) {
    if (!passing[left] || !passing[right]) continue;
    const [a, b] = [place[left].group, place[right].group];
    if (open.has(a) && open.has(b)) {
      const path = a === b ? inside : across;
      path.moveTo(place[left].x, place[left].y);
      path.lineTo(place[right].x, place[right].y);
    } else if (a !== b) {
      const key = a < b ? `${a} ${b}` : `${b} ${a}`;
      sums.set(key, (sums.get(key) || 0) + weight);
    }
  }
  const folds = [new Path2D(), new Path2D()];
  const most = Math.max(1, ...sums.values());
  for (const [key, weight] of sums) {
    const [a, b] = key.split(" ").map(Number);
    const path = folds[weight > most / 6 ? 1 : 0];
    path.moveTo(discs[a].x, discs[a].y);
    path.lineTo(discs[b].x, discs[b].y);
  }
  const busy = Math.min(1, Math.sqrt(4000 / Math.max(1, links.length)));
  return [
    { path: across, strong: 0.25 + 0.35 * busy * busy },
    { path: folds[0], strong: 0.5 },
    { path: folds[1], strong: 1.6 },
    { path: inside, strong: 0.45 + 0.75 * busy },
  ];
}

const visible = (number) => passing[number] && open.has(place[number].group);

const CELL = 40;
const cells = new Map();
place.forEach(({ x, y }, number) => {
  const key = `${Math.floor(x / CELL)} ${Math.floor(y / CELL)}`;
  if (!cells.has(key)) cells.set(key, []);
  cells.get(key).push(number);
});

function nodeAt(x, y, slack) {
  let [best, least] = [null, Infinity];
  for (let i = Math.floor(x / CELL) - 1; i <= Math.floor(x / CELL) + 1; i += 1) {
    for (let j = Math.floor(y / CELL) - 1; j <= Math.floor(y / CELL) + 1; j += 1) {
      for (const number of cells.get(`${i} ${j}`) || []) {
        const far = Math.hypot(place[number].x - x, place[number].y - y) - place[number].size;
        if (far < Math.min(least, slack) && visible(number)) [best, least] = [number, far];
      }
    }
  }
  return best;
}

function groupAt(x, y) {
  const found = discs.findIndex((disc, number) => {
    if (!members[number].length || open.has(number)) return false;
    return Math.hypot(disc.x - x, disc.y - y) < bubble(number);
  });
  return found < 0 ? null : found;
}

function bounds() {
  const shown = discs.filter((_, number) => members[number].length);
  const all = shown.length ? shown : [{ x: 0, y: 0, r: 100 }];
  return [
    Math.min(...all.map(({ x, r }) => x - r)),
    Math.min(...all.map(({ y, r }) => y - r)),
    Math.max(...all.map(({ x, r }) => x + r)),
    Math.max(...all.map(({ y, r }) => y + r)),
  ];
}

const scene = {
  place,
  discs,
  visible,
  bodies,
  colours,
  nodeAt,
  groupAt,
  bounds,
  chosen: () => chosen,
  label: (number) => labels[number],
  near: (number) => near[number].filter((other) => passing[other]),
  spot: (number) => (open.has(place[number].group) ? place[number] : discs[place[number].group]),
};

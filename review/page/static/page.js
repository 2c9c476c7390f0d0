// The page: reads its data, keeps what is filtered, folded and chosen, and puts picture, list and panel together.
"use strict";

const DRAWN = 5000; // entities that are drawn at once; of more, communities come first and open by a click
const LISTED = 100;
const FOUND = 12;

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const folded = (text) => text.normalize("NFKC").toLowerCase();

const links = (() => {
  const found = new Map();
  for (const edge of data.edges) {
    if (edge.s === edge.o) continue;
    const key = edge.s < edge.o ? `${edge.s} ${edge.o}` : `${edge.o} ${edge.s}`;
    found.set(key, (found.get(key) || 0) + edge.w);
  }
  return [...found].map(([key, weight]) => [...key.split(" ").map(Number), weight]);
})();
const { place, discs } = layOut(data.nodes, data.groups, links);
const near = data.nodes.map(() => []);
for (const [left, right] of links) {
  near[left].push(right);
  near[right].push(left);
}
const edgesOf = data.nodes.map(() => []);
for (const edge of data.edges) {
  edgesOf[edge.s].push(edge);
  if (edge.o !== edge.s) edgesOf[edge.o].push(edge);
}
edgesOf.forEach((edges) => edges.sort((one, other) => other.w - one.w));
const searched = data.nodes.map((node) => [node.n, ...node.a].map(folded));
const labels = data.nodes.map((node) => short(node.n));
const titles = data.groups.map((group) => {
  if (group.every((number) => !near[number].length)) return "Joined to nothing else";
  const ranked = [...group].sort((one, other) => data.nodes[other].x - data.nodes[one].x || one - other);
  return ranked.slice(0, 2).map((number) => labels[number]).join(", ");
});

const heads = titles.map((title) => title.split(", ")[0]);
const many = data.nodes.length > DRAWN;
const open = new Set(many ? [] : data.groups.map((_, number) => number));
let chosen = null;
let passing = data.nodes.map(() => true);
let colour = "group";

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

const picture = makePicture(byId("picture"), scene, {
  node: (number) => choose(number),
  group: (number) => unfold(number),
  nothing: () => clear(),
});

// what people do

function unfold(number) {
  open.add(number);
  if (visibleCount() > DRAWN) {
    for (const other of [...open]) {
      if (other !== number && visibleCount() > DRAWN) open.delete(other); // the one that was opened first
    }
  }
  byId("panel").replaceChildren(...groupPanel(data, members[number], titles[number], choose).filter(Boolean));
  chosen = null;
  changed();
}

const visibleCount = () => members.reduce((sum, some, number) => sum + (open.has(number) ? some.length : 0), 0);

function choose(number, { look = false } = {}) {
  chosen = number;
  if (!passing[number]) {
    for (const id of ["type", "document", "level"]) byId(id).value = "";
    filter();
  }
  if (!open.has(place[number].group)) {
    unfold(place[number].group);
    chosen = number;
  }
  byId("panel").replaceChildren(...entityPanel(data, number, edgesOf[number], (other) => choose(other, { look: true })));
  byId("panel").scrollTop = 0;
  if (look) picture.show(number);
  if (matchMedia("(max-width: 60rem)").matches) byId("panel").scrollIntoView({ block: "nearest" });
  if (look) byId("panel").focus({ preventScroll: true });
  picture.change();
  say();
}

const EMPTY = "Choose an entity, in the picture, in the list or by the search, to read where the documents state it.";

function clear() {
  chosen = null;
  byId("panel").replaceChildren(make("p", { class: "dim" }, EMPTY));
  picture.change();
}

function filter() {
  const [type, name, level] = ["type", "document", "level"].map((id) => byId(id).value);
  passing = data.nodes.map((node) => {
    if (type !== "" && node.t !== Number(type)) return false;
    if (level === "uncovered" ? !["never", "lost"].includes(node.l) : level !== "" && node.l !== level) return false;
    return name === "" || node.d.includes(Number(name));
  });
  members = shownIn();
  if (chosen !== null && !passing[chosen]) clear();
}

function changed() {
  picture.change();
  legend();
  list(true);
  say();
}

function say() {
  const all = passing.filter(Boolean).length;
  const drawn = visibleCount();
  const told = [times(all, "entity", "entities")];
  if (all < data.nodes.length) told[0] += ` of ${data.nodes.length.toLocaleString("en")}`;
  const groups = members.filter((some, number) => some.length && !open.has(number)).length;
  if (groups) told.push(`${drawn.toLocaleString("en")} drawn`, `${times(groups, "community", "communities")} folded: click one to open it`);
  byId("shown").textContent = told.join(" · ");
  byId("fold").setAttribute("aria-pressed", String(open.size === 0));
}

// legend and list

function legend() {
  const counts = new Map();
  passing.forEach((passes, number) => passes && counts.set(keyOf(number), (counts.get(keyOf(number)) || 0) + 1));
  const keys = colour === "level" ? data.levels.filter((level) => counts.has(level)) : [...counts.keys()];
  if (colour !== "level") keys.sort((one, other) => counts.get(other) - counts.get(one));
  const shown = keys.slice(0, colour === "group" ? 10 : 14);
  const items = shown.map((key) => {
    const swatch = make("span", { class: colour === "level" ? `swatch ${key}` : "swatch" });
    if (colour !== "level") swatch.style.backgroundColor = swatch.style.borderColor = lookOf(key).fill;
    const name = colour === "group" ? titles[key] : colour === "type" ? data.types[key] : levelName(key);
    const words = [swatch, own(name), make("span", { class: "dim" }, ` ${counts.get(key).toLocaleString("en")}`)];
    if (colour !== "group") return make("li", {}, ...words);
    return make("li", {}, make("button", { type: "button", class: "link", on: { click: () => toggle(key) } }, ...words));
  });
  if (keys.length > shown.length) items.push(make("li", { class: "dim" }, `and ${keys.length - shown.length} more`));
  byId("legend").replaceChildren(...items);
}

function levelName(level) {
  const place = ["one", "two", "three", "four"].indexOf(level);
  if (place < 0) return LEVELS[level];
  const [from, next] = [data.steps[place], data.steps[place + 1]];
  if (next === undefined) return `${from} tasks or more`;
  return next - from > 1 ? `${from} to ${next - 1} tasks` : times(from, "task");
}

function toggle(number) {
  if (open.has(number)) {
    open.delete(number);
    changed();
  } else unfold(number);
}

let listed = 0;

function list(anew) {
  const ranked = data.nodes.map((_, number) => number).filter((number) => passing[number]);
  ranked.sort((one, other) => data.nodes[other].x - data.nodes[one].x || one - other);
  if (anew) {
    listed = 0;
    byId("list").replaceChildren();
  }
  const some = ranked.slice(listed, listed + LISTED);
  byId("list").append(...some.map((number) => {
    const node = data.nodes[number];
    const name = make("button", { type: "button", class: "link", on: { click: () => choose(number, { look: true }) } }, own(node.n));
    const facts = `${times(node.x, "neighbour")} · ${times(node.c, "mention")}`;
    return make("li", {}, name, own(data.types[node.t], { class: "chip" }), make("span", { class: "dim" }, facts));
  }));
  listed += some.length;
  byId("more").hidden = listed >= ranked.length;
}

// search

let results = [];
let active = -1;

function closeness(names, asked) {
  let best = 9;
  for (const name of names) {
    if (name === asked) return 0;
    if (name.startsWith(asked)) best = Math.min(best, 1);
    else if (name.includes(` ${asked}`)) best = Math.min(best, 2);
    else if (name.includes(asked)) best = Math.min(best, 3);
  }
  return best;
}

function search() {
  const asked = folded(byId("search").value).trim();
  const ranked = !asked ? [] : searched.map((names, number) => [closeness(names, asked), -data.nodes[number].x, number]);
  const found = ranked.filter(([close]) => close < 9).sort((one, other) => one[0] - other[0] || one[1] - other[1] || one[2] - other[2]);
  results = found.slice(0, FOUND).map(([, , number]) => number);
  active = results.length ? 0 : -1;
  const items = results.map((number, index) =>
    make("li", { role: "option", id: `found-${index}`, on: { pointerdown: (event) => { event.preventDefault(); take(number); } } },
      own(data.nodes[number].n), make("span", { class: "dim" }, own(data.types[data.nodes[number].t]))));
  if (asked && !found.length) items.push(make("li", { class: "dim", role: "presentation" }, "Nothing is called so."));
  if (found.length > results.length) items.push(make("li", { class: "dim", role: "presentation" }, `and ${found.length - results.length} more; write on`));
  byId("found").replaceChildren(...items);
  byId("found").hidden = !asked;
  point();
}

function point() {
  byId("search").setAttribute("aria-expanded", String(!byId("found").hidden));
  byId("search").setAttribute("aria-activedescendant", active < 0 ? "" : `found-${active}`);
  [...byId("found").children].forEach((item, index) => item.role === "option" && item.setAttribute("aria-selected", String(index === active)));
}

function take(number) {
  byId("found").hidden = true;
  point();
  choose(number, { look: true });
}

byId("search").addEventListener("input", search);
byId("search").addEventListener("focus", () => byId("search").value && search());
byId("search").addEventListener("blur", () => { byId("found").hidden = true; point(); });
byId("search").addEventListener("keydown", (event) => {
  if (event.key === "Escape") byId("found").hidden = true;
  else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    if (!results.length) return;
    active = (active + (event.key === "ArrowDown" ? 1 : results.length - 1)) % results.length;
    event.preventDefault();
  } else if (event.key === "Enter") {
    event.preventDefault();
    if (active >= 0) take(results[active]);
    return;
  } else return;
  point();
});

// the rest of the page

byId("tools").addEventListener("submit", (event) => event.preventDefault());
for (const id of ["type", "document", "level"]) byId(id).addEventListener("change", () => { filter(); changed(); picture.fit(); });
byId("colour").addEventListener("change", () => { colour = byId("colour").value; changed(); });
byId("fold").addEventListener("click", () => {
  const fold = open.size > 0;
  open.clear();
  if (!fold && !many) data.groups.forEach((_, number) => open.add(number));
  if (chosen !== null && fold) clear();
  changed();
});
byId("in").addEventListener("click", () => picture.scale(1.35));
byId("out").addEventListener("click", () => picture.scale(1 / 1.35));
byId("fit").addEventListener("click", () => picture.fit());
byId("more").addEventListener("click", () => list(false));
dark.addEventListener("change", () => { shades = null; changed(); });
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
  if (event.key === "/") byId("search").focus();
  else if (event.key === "Escape") clear();
  else return;
  event.preventDefault();
});

function options(id, names, counts) {
  const ranked = names.map((_, number) => number).sort((one, other) => counts[other] - counts[one] || one - other);
  byId(id).append(...ranked.map((number) => make("option", { value: number }, `${short(names[number])} (${counts[number].toLocaleString("en")})`)));
}

const count = (length, keys) => {
  const counts = new Array(length).fill(0);
  for (const node of data.nodes) for (const key of keys(node)) counts[key] += 1;
  return counts;
};
options("type", data.types, count(data.types.length, (node) => [node.t]));
options("document", data.documents, count(data.documents.length, (node) => node.d));
byId("level").append(
  make("option", { value: "uncovered" }, "Not covered"),
  ...data.levels.map((level) => make("option", { value: level }, levelName(level))),
);
byId("title").append(own(data.name), make("span", { class: "dim" }, " knowledge graph"));
byId("told").textContent = (() => {
  const whole = `${times(data.entities, "entity", "entities")}, ${times(data.relations, "relation")}`;
  const [nodes, edges] = [data.nodes.length, data.edges.length];
  const held = [];
  if (nodes < data.entities) held.push(`the ${nodes.toLocaleString("en")} entities that most others are joined to`);
  if (edges < data.relations) held.push(`${edges.toLocaleString("en")} of the relations`);
  return held.length ? `${whole}; this page holds ${held.join(" and ")}` : whole;
})();
clear();
changed();
document.documentElement.dataset.ready = String(Math.round(performance.now()));

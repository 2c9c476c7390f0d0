// What people do: choose, unfold, filter, search; puts picture, list and panel together.
"use strict";

const LISTED = 100;
const FOUND = 12;

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

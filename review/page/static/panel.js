// What is known of one entity or community, as elements. Everything that a document or a model wrote goes in as text.
"use strict";

const AROUND = 140; // characters of a passage before the mark and after it
const LEVELS = {
  never: "no task used it",
  lost: "tried, nothing accepted",
  waiting: "pending only",
  one: "covered",
  two: "covered well",
  three: "covered often",
  four: "covered most",
};

/** Makes an element: its children are elements, texts, or nothing. */
function make(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name === "on") Object.entries(value).forEach(([event, does]) => made.addEventListener(event, does));
    else if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

/** A name by itself, so that its direction does not change what stands beside it. */
const own = (text, given) => make("bdi", given, text);

const times = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

/** A passage: the words around a mention, with the mention marked; where the text is not there, its quote. */
function passage(data, [chunk, start, end, quote]) {
  const { d: name, h: headings, t: text } = data.chunks[chunk];
  const from = make("p", { class: "from dim" }, own(name || "a document that is no longer there"));
  if (headings.length) from.append(" › ", own(headings.join(" › ")));
  if (text === null) return make("li", {}, make("blockquote", {}, make("mark", {}, quote)), from);
  const letters = [...text]; // offsets count characters, not halves of them
  const first = whole(letters, Math.max(0, start - AROUND), 1, start);
  const last = whole(letters, Math.min(letters.length, end + AROUND), -1, end);
  const cut = (one, other) => letters.slice(one, other).join("");
  const words = [first > 0 ? "…" : "", cut(first, start), make("mark", {}, cut(start, end)), cut(end, last)];
  return make("li", {}, make("blockquote", {}, ...words, last < letters.length ? "…" : ""), from);
}

/** Moves a place to the next gap between words, so that no passage begins or ends within one. */
function whole(letters, place, step, limit) {
  if (place <= 0 || place >= letters.length) return place;
  let at = place;
  while (at !== limit && Math.abs(at - place) < 25 && !/\s/.test(letters[step > 0 ? at - 1 : at])) at += step;
  return at;
}

function passages(data, mentions, count) {
  const list = make("ul", { class: "passages" }, ...mentions.map((one) => passage(data, one)));
  const more = count - mentions.length;
  return more > 0 ? [list, make("p", { class: "dim" }, `and ${times(more, "more mention")}`)] : [list];
}

function qualified(values) {
  const told = Object.entries(values).map(([name, value]) => `${name}: ${[].concat(value).join(", ")}`);
  return told.length ? make("span", { class: "dim" }, ` (${told.join("; ")})`) : null;
}

/** The panel of an entity; `open(number)` chooses another. */
function entityPanel(data, number, edges, open) {
  const node = data.nodes[number];
  const [accepted, pending, rejected, failed] = node.u;
  const uses = [[accepted, "accepted"], [pending, "pending"], [rejected, "rejected"], [failed, "failed"]];
  const told = uses.filter(([count]) => count).map(([count, what]) => `${count} ${what}`).join(", ");
  const parts = [
    make("h2", {}, own(node.n)),
    make("p", {}, own(data.types[node.t], { class: "chip" }), ` ${times(node.x, "neighbour")}, ${times(node.c, "mention")}`),
    make("p", { class: "dim" }, `Coverage: ${LEVELS[node.l]}${told ? `; tasks: ${told}` : ""}.`),
  ];
  if (node.a.length) parts.push(make("p", {}, make("span", { class: "dim" }, "Also "), own(node.a.join(" · "))));
  for (const line of node.e.split("\n").filter(Boolean).slice(0, 6)) parts.push(make("p", {}, line));
  const facts = Object.entries(node.v).flatMap(([name, values]) => [make("dt", {}, own(name)), make("dd", {}, own(values.join("; ")))]);
  if (facts.length) parts.push(make("dl", {}, ...facts));
  if (node.q.length) {
    parts.push(make("h3", {}, "Claims"), make("ul", {}, ...node.q.map((one) => make("li", {}, own(one.t), qualified(one.q)))));
  }
  if (edges.length) parts.push(make("h3", {}, times(edges.length, "relation")), relations(data, number, edges, open));
  parts.push(make("h3", {}, `Where it stands (${times(node.c, "mention")})`), ...passages(data, node.m, node.c));
  return parts;
}

const FIRST = 25;

function relations(data, number, edges, open) {
  const list = make("ul", { class: "relations" });
  const add = (some) => list.append(...some.map((edge) => relation(data, number, edge, open)));
  add(edges.slice(0, FIRST));
  if (edges.length > FIRST) {
    const rest = make("button", { type: "button" }, `Show ${edges.length - FIRST} more`);
    rest.addEventListener("click", () => {
      rest.parentElement.remove();
      add(edges.slice(FIRST));
    });
    list.append(make("li", {}, rest));
  }
  return list;
}

function relation(data, number, edge, open) {
  const out = edge.s === number;
  const other = out ? edge.o : edge.s;
  const name = make("button", { type: "button", class: "link" }, own(data.nodes[other].n));
  name.addEventListener("click", () => open(other));
  const line = [make("span", { class: "arrow", "aria-label": out ? "to" : "from" }, out ? "→ " : "← "), own(edge.t, { class: "kind" }), " ", name, qualified(edge.q)];
  if (!edge.g) line.push(make("span", { class: "chip doubt" }, "not found word for word"));
  const inside = make("details", {}, make("summary", {}, `${times(edge.c, "mention")}`));
  inside.addEventListener("toggle", () => {
    if (inside.open && inside.childElementCount === 1) {
      if (edge.e) inside.append(make("p", {}, edge.e));
      inside.append(...passages(data, edge.m, edge.c));
    }
  });
  return make("li", {}, ...line, inside);
}

/** The panel of a community: its largest members. */
function groupPanel(data, group, title, open) {
  const ranked = [...group].sort((one, other) => data.nodes[other].x - data.nodes[one].x);
  const items = ranked.slice(0, 40).map((number) => {
    const name = make("button", { type: "button", class: "link" }, own(data.nodes[number].n));
    name.addEventListener("click", () => open(number));
    return make("li", {}, name, " ", own(data.types[data.nodes[number].t], { class: "dim" }));
  });
  const more = group.length - items.length;
  return [
    make("h2", {}, own(title)),
    make("p", { class: "dim" }, `A community of ${times(group.length, "entity", "entities")}.`),
    make("ol", { class: "members" }, ...items),
    more > 0 ? make("p", { class: "dim" }, `and ${more.toLocaleString("en")} more`) : "",
  ];
}

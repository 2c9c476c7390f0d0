// The page of the graph: what is chosen, in the picture, the panel, the list, the filters and the address alike.
"use strict";

import { makePicture } from "./graph_picture.js";
import { makeSearch } from "./graph_search.js";
import { notice } from "./page.js";

const EVERY = 8000; // milliseconds between looks for new coverage
const NARROW = 500; // pixels
const box = document.getElementById("graph-picture");
const panel = document.getElementById("graph-panel");
const said = document.getElementById("graph-said");
const form = document.getElementById("graph-filters");
const button = (name) => document.querySelector(`[data-do=${name}]`);
const number = (value) => value.toLocaleString("en");

let chosen = box.dataset.around;
let around = chosen; // the entity in the middle, empty for an overview
let depth = 1;
let version = 0;
let asked = 0; // numbers the pictures asked for: an answer that is overtaken is not shown

async function get(address) {
  const answer = await fetch(address, { headers: { accept: "application/json" } });
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(found.error ?? `${answer.status}: the server refused it`);
  return found;
}

const failed = (error) => notice(error.message || "the server does not answer; is it still running?", "error");

function filters() {
  const given = new URLSearchParams(new FormData(form));
  for (const [name, value] of [...given]) if (!value) given.delete(name);
  return given;
}

const picture = makePicture(box, {
  open: (id) => open(id),
  join: (left, right) => join(left, right),
  expand: (id) => expand(id),
});

async function load() {
  const turn = ++asked;
  const query = around ? new URLSearchParams({ around, depth }) : filters();
  if (box.clientWidth < NARROW) query.set("limit", around ? 30 : 80); // so many can be told apart there
  box.classList.add("waits");
  try {
    const part = await get(`/graph/data?${query}`);
    if (turn !== asked) return;
    version = part.version;
    picture.show(part, form.elements.by.value || "degree");
    tell(part);
    if (chosen) picture.choose(chosen);
  } catch (error) {
    if (turn === asked) failed(error);
  } finally {
    if (turn === asked) box.classList.remove("waits");
  }
  button("overview").hidden = !around;
  for (const name of ["near", "far"]) button(name).hidden = !chosen;
}

function tell(part) {
  const entities = part.nodes.length - (around ? 1 : 0);
  const among = part.among - (around ? 1 : 0);
  const shown = entities === among ? `${number(among)}` : `${number(entities)} of ${number(among)}`;
  const where = around ? `within ${depth === 1 ? "one step" : "two steps"}` : "";
  const lines = part.links.length === part.all_links ? "" : `, ${number(part.links.length)} of ${number(part.all_links)} lines`;
  said.textContent = `showing ${shown} entities ${where}`.trimEnd() + lines;
}

/** Shows what is known of an entity, and marks it; one that is not in the picture becomes its middle. */
function open(id, { remember = true } = {}) {
  chosen = id;
  if (remember) history.pushState({ entity: id }, "", `/graph?${withEntity(id)}`);
  for (const name of ["near", "far"]) button(name).hidden = false;
  if (picture.has(id)) {
    picture.choose(id);
  } else {
    around = id;
    depth = 1;
    load();
  }
  fill(`/graph/entities/${encodeURIComponent(id)}`);
}

function withEntity(id) {
  const query = filters();
  if (id) query.set("entity", id);
  return query;
}

function join(left, right) {
  chosen = "";
  picture.choose(left, right);
  fill(`/graph/links/${encodeURIComponent(left)}/${encodeURIComponent(right)}`);
}

async function fill(address) {
  await window.htmx.ajax("GET", address, { target: panel, swap: "innerHTML" });
  panel.scrollTop = 0;
  if (matchMedia("(max-width: 900px)").matches) panel.scrollIntoView({ block: "nearest" });
}

async function expand(id) {
  try {
    const part = await get(`/graph/data?${new URLSearchParams({ around: id, limit: 30 })}`);
    const more = picture.grow(part, id);
    const left = part.among - part.nodes.length;
    const rest = left > 0 ? `; ${number(left)} weaker ones are left out` : "";
    said.textContent = `${more ? `added ${number(more)} neighbours` : "all its nearest neighbours are shown"}${rest}`;
    picture.choose(id);
  } catch (error) {
    failed(error);
  }
}

const commands = {
  overview: () => { around = ""; load(); },
  near: () => { around = chosen; depth = 1; load(); },
  far: () => { around = chosen; depth = 2; load(); },
  in: () => picture.zoom(1.4),
  out: () => picture.zoom(1 / 1.4),
  fit: () => picture.fit(),
};

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return; // a new tab, as with every link
  const entity = event.target.closest("[data-entity]");
  const line = event.target.closest("[data-link]");
  const command = event.target.closest("[data-do]");
  if (entity) {
    event.preventDefault();
    open(entity.dataset.entity);
    if (!panel.contains(entity)) panel.focus({ preventScroll: !matchMedia("(max-width: 900px)").matches });
  } else if (line) {
    event.preventDefault();
    join(...line.dataset.link.split(" "));
  } else if (command) {
    commands[command.dataset.do]();
  }
});

function filter() {
  around = "";
  document.getElementById("graph-size").textContent =
    form.elements.by.value === "mentions" ? "mentions in the documents" : "entities that relations join to it";
  history.replaceState(history.state, "", `/graph?${withEntity(chosen)}`);
  load();
  window.htmx.ajax("GET", `/graph/list?${filters()}`, { target: "#graph-list", swap: "innerHTML" });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  filter();
});
form.addEventListener("change", (event) => {
  if (event.target.name) filter();
});
makeSearch(document.getElementById("graph-q"), document.getElementById("graph-found"), {
  find: (text) => get(`/graph/search?${new URLSearchParams({ q: text })}`),
  open: (id) => open(id),
  failed,
});

window.addEventListener("popstate", () => {
  const id = new URLSearchParams(location.search).get("entity") ?? "";
  if (id) open(id, { remember: false });
  else location.reload();
});

async function look() {
  if (document.hidden) return;
  try {
    const found = await get(`/graph/changes?since=${version}`);
    if (found.version === version) return;
    version = found.version;
    picture.update(found.nodes);
    for (const [level, count] of Object.entries(found.levels)) {
      document.querySelector(`[data-count=${level}]`).textContent = number(count);
    }
    found.steps.forEach((least, step) => {
      const next = found.steps[step + 1];
      const range = next === undefined ? " or more" : next - 1 > least ? ` to ${next - 1}` : "";
      document.querySelector(`[data-step="${step}"]`).textContent = `${least}${range}`;
    });
  } catch {
    // The server has gone, or the graph is made anew: the next click says so.
  }
}

load();
setInterval(look, EVERY);

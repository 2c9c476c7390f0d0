// The queue: keys, the selection, and the form's fields when the list is another one.
"use strict";
import { act, totalOf, undo } from "./bulk.js";
import { done } from "./done.js";
import { bindKeys } from "./keys.js";

const results = () => document.getElementById("results");
const rows = () => [...document.querySelectorAll("#rows > .row")];
const picked = () => rows().filter((row) => row.querySelector(".pick").checked);
let here = ""; // id of the row that was in focus last
let from = ""; // id of the row that was selected last
let everything = false; // all that match are selected, seen or not

function current() {
  return document.activeElement?.closest?.("#rows > .row") ?? document.getElementById(here);
}

function focus(row) {
  if (!row) return;
  here = row.id;
  row.querySelector(".open").focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

function move(step) {
  const all = rows();
  const at = all.indexOf(current());
  const next = all[at < 0 ? 0 : at + step];
  if (next) return focus(next);
  if (step > 0) more(all.at(-1));
}

// Fetches more items; then goes on to the one after `last`.
function more(last = null) {
  const link = document.querySelector("#rows > .more a");
  if (!link) return;
  if (last) {
    const goOn = () => focus(last.nextElementSibling?.matches(".row") ? last.nextElementSibling : null);
    document.addEventListener("htmx:afterSettle", goOn, { once: true });
  }
  link.click();
}

function pick(row, on = !row.querySelector(".pick").checked) {
  row.querySelector(".pick").checked = on;
  from = row.id;
  show();
}

function pickTo(row) {
  const all = rows();
  const start = Math.max(0, all.findIndex((one) => one.id === from));
  const [low, high] = [start, all.indexOf(row)].sort((one, other) => one - other);
  for (const one of all.slice(low, high + 1)) pick(one, true);
}

function unselect() {
  everything = false;
  for (const row of picked()) row.querySelector(".pick").checked = false;
  show();
}

// The toolbar says what is selected; offers all that match once all that are shown are selected.
function show() {
  const count = picked().length;
  const total = totalOf();
  if (count < rows().length) everything = false;
  results().querySelector(".bulk").hidden = count === 0;
  document.getElementById("selected").textContent = `${(everything ? total : count).toLocaleString("en")} selected`;
  document.getElementById("everything").hidden = everything || count < rows().length || total <= count;
  document.getElementById("undo").hidden = !done().length;
}

function decide(action, options) {
  const all = picked();
  const at = current();
  const chosen = all.length ? all : at && !at.matches(".decided, .sending") ? [at] : [];
  if (!chosen.length) return;
  const ids = everything ? null : chosen.map((row) => row.dataset.id);
  const next = rows().slice(rows().indexOf(chosen.at(-1)) + 1).find((row) => !row.matches(".decided, .sending"));
  everything = false;
  const done = act(action, ids, options);
  if (all.length || !document.activeElement?.closest("#rows, dialog")) return;
  // Keyed through one by one: on to the next; at once, or when the dialog's question is answered.
  if (document.querySelector("dialog[open]")) done.then((sent) => sent && focus(next));
  else focus(next);
}

const ACTIONS = {
  accept: () => decide("accept"),
  accept_note: () => decide("accept", { noted: true }),
  reject: () => decide("reject"),
  reasons: () => decide("reject", { correct: true }),
  send_back: () => decide("send_back"),
  skip: () => decide("skip"),
  undo,
  unselect,
  everything: () => {
    everything = true;
    show();
  },
  next: () => move(1),
  previous: () => move(-1),
  open: () => current()?.querySelector(".open").click(),
  pick: () => current() && pick(current()),
  pick_to: () => current() && pickTo(current()),
  all: () => {
    for (const row of rows()) pick(row, true);
  },
  search: () => document.getElementById("text").select(),
  more: () => more(),
};

bindKeys(ACTIONS);

document.addEventListener("click", (event) => {
  if (event.target.matches(".pick")) {
    const row = event.target.closest(".row");
    if (event.shiftKey && from) pickTo(row);
    else pick(row, event.target.checked);
  }
  const opened = event.target.closest(".open");
  if (opened) sessionStorage.setItem("queue-here", opened.closest(".row").id);
});

document.addEventListener("focusin", (event) => {
  const row = event.target.closest("#rows > .row");
  if (row) here = row.id;
});

document.addEventListener("queue:changed", show);
document.addEventListener("done:changed", show);

// Empty fields do not belong in the address; and what is there already need not be fetched.
document.addEventListener("htmx:configRequest", (event) => {
  const { parameters, elt } = event.detail;
  if (elt.id !== "search-form" && elt.form?.id !== "search-form") return;
  for (const [name, value] of [...parameters.entries()]) if (value === "") parameters.delete(name);
  if (parameters.get("sort") === "teaches") parameters.delete("sort");
  const asked = sorted([...parameters.entries()]);
  if (asked === sorted(results().dataset.query)) event.preventDefault();
});

function sorted(query) {
  const parameters = new URLSearchParams(query);
  parameters.sort();
  return parameters.toString();
}

// Decisions move items in the order while a person reads: what is shown already is not shown twice.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (!event.detail.pathInfo?.requestPath.startsWith("/rows?")) return;
  const known = new Set(rows().map((row) => row.id));
  const page = new DOMParser().parseFromString(event.detail.serverResponse, "text/html");
  for (const row of page.querySelectorAll(".row")) if (known.has(row.id)) row.remove();
  event.detail.serverResponse = page.body.innerHTML;
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id === "results") renewed();
  show();
});

// Another list: the form says what it was asked for. What a person types just now stays.
function renewed() {
  everything = false;
  const asked = new URLSearchParams(results().dataset.query);
  for (const field of document.querySelectorAll("#text, #sort, #score_from, #score_to")) {
    const value = asked.get(field.name) ?? (field.name === "sort" ? "teaches" : "");
    if (field !== document.activeElement && field.value !== value) field.value = value;
  }
}

function begin() {
  if (!matchMedia("(min-width: 60rem)").matches) document.getElementById("facet-box").open = false;
  const back = document.getElementById(sessionStorage.getItem("queue-here") ?? "");
  sessionStorage.removeItem("queue-here");
  if (back?.matches(".row")) focus(back);
  if (location.hash === "#text") document.getElementById("text").focus(); // the search, from another page
  settle();
  show();
}

// Where nothing has the focus, the first row that waits takes it, if it is in view: a key is for what a person sees.
function settle() {
  if (document.activeElement !== document.body || document.querySelector("dialog[open]")) return;
  const first = rows().find((row) => !row.matches(".decided, .sending"));
  const { top, bottom } = first?.getBoundingClientRect() ?? {};
  if (!first || top < 0 || bottom > innerHeight) return;
  here = first.id;
  first.querySelector(".open").focus({ preventScroll: true, focusVisible: true });
}

document.addEventListener("htmx:historyRestore", begin);
document.addEventListener("htmx:afterSettle", settle);
begin();

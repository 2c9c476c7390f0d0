// Decisions and skips from the queue, on a selection or on all that match: sent, shown on the rows, taken back.
"use strict";
import { ask } from "./ask.js";
import { notice } from "/static/page.js";
import { deliver, newId, scope } from "/static/outbox.js";

const MANY = 20; // more than these are asked for once more
const KEPT = `${scope}:queue-undo`; // what this window did, the last at the end
const WORDS = { accept: "Accept", reject: "Confirm the rejection of", send_back: "Send back", skip: "Skip" };
const DONE = { accept: "accepted", reject: "confirmed as rejected", send_back: "sent back", skip: "skipped" };
const results = () => document.getElementById("results");
const items = (count) => `${count.toLocaleString("en")} ${count === 1 ? "item" : "items"}`;

// `ids` are the chosen items; null means all that match. Resolves to whether it was done, at least of some.
export async function act(action, ids, { correct = false } = {}) {
  const count = ids === null ? Number(results().dataset.total) : ids.length;
  if (!count) return false;
  const body = { ...chosen(ids), id: newId(), ...(action === "skip" ? {} : { action }) };
  const extra = await asked(action, count, correct);
  if (extra === null) return false;
  Object.assign(body, extra);
  mark(ids, (row) => row.classList.add("sending"));
  const what = `${WORDS[action]} ${items(count)}`;
  try {
    told(action, ids, await deliver({ url: action === "skip" ? "/skips" : "/decisions", body, what }));
    return true;
  } catch {
    mark(ids, (row) => row.classList.remove("sending")); // the outbox has said why
    return false;
  }
}

function chosen(ids) {
  const { filters, last } = results().dataset;
  if (ids === null) return { filters: JSON.parse(filters), upto: Number(last) };
  return { ids, numbers: ids.map((id) => Number(document.getElementById(id).dataset.number)) };
}

async function asked(action, count, correct) {
  const title = `${WORDS[action]} ${items(count)}${count > 10000 ? " (the oldest 10,000 of them)" : ""}?`;
  if (action === "send_back") {
    const note = await ask({ title, label: "What should be changed?", button: "Send back", text: "", required: true });
    return note === null ? null : { note };
  }
  if (correct) {
    const label = "The right reason codes, separated by commas";
    const text = await ask({ title: `Reject ${items(count)} for other reasons?`, label, button: "Reject", text: "", required: true });
    return text === null ? null : { reasons: text.split(/[\s,]+/).filter(Boolean) };
  }
  if (count <= MANY) return {};
  return (await ask({ title, button: WORDS[action].split(" ")[0] })) === null ? null : {};
}

function told(action, ids, answer) {
  const count = action === "skip" ? answer.skipped : answer.decided;
  if (count) remember(action === "skip" ? { ids: answer.ids, rows: ids } : { id: answer.id, rows: ids });
  const refused = answer.refused ?? 0;
  const why = answer.why ?? {};
  const first = refused ? `; ${items(refused)} not: ${Object.values(why)[0]}` : "";
  const text = `${items(count)} ${DONE[action]}${first}${answer.more ? "; more match" : ""}`;
  if (ids?.length === 1 && count === 1) document.getElementById("said").textContent = text; // the row shows it
  else notice(text, refused ? "error" : "info");
  if (ids === null) return renew(true);
  mark(ids, (row) => {
    const id = row.dataset.id;
    outcome(row, id in why ? "" : action, id in why ? `not decided: ${why[id]}` : "");
  });
  renew();
}

export async function undo() {
  const done = remembered();
  const last = done.pop();
  if (!last) return notice("There is nothing to undo in this window.");
  keep(done);
  const write = last.ids ? { url: "/skips/undo", body: { ids: last.ids } } : { url: "/decisions/undo", body: { id: last.id } };
  let answer;
  try {
    answer = await deliver({ ...write, what: "undo" });
  } catch {
    return; // the outbox has said why
  }
  const refused = answer.refused ? `; ${items(answer.refused)} not: ${Object.values(answer.why)[0]}` : "";
  notice(`${items(answer.undone ?? answer.back)} back${refused}`, refused ? "error" : "info");
  const there = last.rows?.every((id) => document.getElementById(id));
  if (there) mark(last.rows, (row) => outcome(row, "", answer.why?.[row.dataset.id] ?? ""));
  renew(!there);
}

// Shows on a row what came of it; no action and no word: nothing stands any more.
function outcome(row, action, word) {
  const place = row.querySelector(".outcome");
  place.replaceChildren();
  row.classList.remove("sending");
  row.classList.toggle("decided", action !== "");
  row.querySelector(".pick").checked = false;
  if (action) {
    const chip = document.createElement("span");
    chip.className = `chip ${action}`;
    chip.textContent = DONE[action];
    place.append(chip, " by you");
  }
  if (word) place.append(word);
}

function mark(ids, change) {
  for (const id of ids ?? []) {
    const row = document.getElementById(id);
    if (row) change(row);
  }
  document.dispatchEvent(new CustomEvent("queue:changed"));
}

let renewal = 0;

// Brings the counts up to date; and the list, where all that it shows is done (or `all` says so).
function renew(all = false) {
  const query = results().dataset.query;
  const left = document.querySelector("#rows > .row:not(.decided)");
  if (all || !left) {
    return htmx.ajax("GET", `/?${query}`, { target: "#results", select: "#results", swap: "outerHTML show:window:top" });
  }
  clearTimeout(renewal);
  renewal = setTimeout(() => {
    htmx.ajax("GET", `/bars?${query}`, { target: "#facets", select: "#facets", swap: "outerHTML" });
    htmx.ajax("GET", `/?${query}`, { target: "#total", select: "#total", swap: "outerHTML" });
  }, 600);
}

const remembered = () => JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");

function keep(done) {
  sessionStorage.setItem(KEPT, JSON.stringify(done.slice(-20)));
  document.dispatchEvent(new CustomEvent("queue:changed"));
}

const remember = (done) => keep([...remembered(), done]);

export const canUndo = () => remembered().length > 0;

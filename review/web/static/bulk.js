// Decisions and skips from the queue, on a selection or on all that match: sent, shown on the rows, taken back.
"use strict";
import { ask } from "./ask.js";
import { notice } from "/static/page.js";
import { deliver, newId } from "/static/outbox.js";
import { forget, remember } from "/static/done.js";
import { DONE, said, short } from "/static/said.js";
import { undo as takeBack } from "/static/undo.js";

const MANY = 20; // more than these are asked for once more
const WORDS = { accept: "Accept", reject: "Confirm the rejection of", send_back: "Send back", skip: "Skip" };
const results = () => document.getElementById("results");
const items = (count) => `${count.toLocaleString("en")} ${count === 1 ? "item" : "items"}`;

// How many match, and what is left of them: null where decisions take nothing out of the list.
export const totalOf = () => Number(document.getElementById("total").dataset.count);
const leaves = () => !["decided", "all"].includes(results().dataset.stage);
const left = () => (leaves() ? totalOf() : null);

function fewer(count) {
  if (leaves()) document.getElementById("total").dataset.count = Math.max(0, totalOf() - count);
}

// `ids` are the chosen items; null means all that match. Resolves to whether it was done, at least of some.
export async function act(action, ids, { correct = false, noted = false } = {}) {
  const count = ids === null ? totalOf() : ids.length;
  if (!count) return false;
  const body = { ...chosen(ids), id: newId(), ...(action === "skip" ? {} : { action }) };
  const extra = await asked(action, count, { correct, noted });
  if (extra === null) return false;
  Object.assign(body, extra);
  mark(ids, (row) => row.classList.add("sending"));
  const what = `${WORDS[action]} ${items(count)}`;
  // Kept before it is sent: `u` on the next page takes it back too. What filters skip is known when it is answered.
  const entry = { ids, words: words(action, ids, count), ...(action === "skip" ? { skip: body.id } : { batch: body.id }) };
  if (action !== "skip" || ids) remember(entry);
  try {
    told(action, ids, body.id, await deliver({ url: action === "skip" ? "/skips" : "/decisions", body, what }));
    return true;
  } catch {
    forget((one) => one.skip === body.id);
    mark(ids, (row) => row.classList.remove("sending")); // the outbox has said why
    return false;
  }
}

function chosen(ids) {
  const { filters, last } = results().dataset;
  if (ids === null) return { filters: JSON.parse(filters), upto: Number(last) };
  return { ids, numbers: ids.map((id) => Number(document.getElementById(id).dataset.number)) };
}

async function asked(action, count, { correct, noted }) {
  const title = `${WORDS[action]} ${items(count)}${count > 10000 ? " (the oldest 10,000 of them)" : ""}?`;
  if (action === "send_back") {
    const note = await ask({ title, label: "What should be changed?", button: "Send back", text: "", required: true });
    return note === null ? null : { note };
  }
  if (noted) {
    const note = await ask({ title, label: "Why? (may stay empty)", button: "Accept", text: "" });
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

// What is done, in words: with the title of the item where it is one.
function words(action, ids, count) {
  const row = ids?.length === 1 ? document.getElementById(ids[0]) : null;
  return row ? `${DONE[action]}: “${short(row.querySelector(".open").textContent.trim())}”` : `${DONE[action]}: ${items(count)}`;
}

function told(action, ids, id, answer) {
  const count = action === "skip" ? answer.skipped : answer.decided;
  if (!count) forget((entry) => entry.batch === id);
  else if (action === "skip" && !ids) remember({ ids: answer.ids, skip: id, words: words(action, null, count) });
  const refused = answer.refused ?? 0;
  const why = answer.why ?? {};
  if (refused) notice(`${items(refused)} not ${DONE[action]}: ${Object.values(why)[0]}`, "error");
  fewer(count);
  const one = refused ? null : ids;
  if (count) said(`${words(action, one, count)}${answer.more ? "; more match" : ""}.`, { left: left() });
  if (ids === null) return renew(true);
  mark(ids, (row) => {
    const id = row.dataset.id;
    outcome(row, id in why ? "" : action, id in why ? `not decided: ${why[id]}` : "");
  });
  renew();
}

export async function undo(by) {
  const back = await takeBack(by);
  if (!back) return;
  let answer;
  try {
    answer = await back.answer;
  } catch {
    return; // the outbox has said why
  }
  const { ids, words } = back.entry;
  const count = answer.undone ?? answer.back ?? 1;
  if (answer.refused) notice(`${items(answer.refused)} not taken back: ${Object.values(answer.why)[0]}`, "error");
  fewer(-count);
  said(`${DONE.undo}: ${words}.`, { left: left(), undo: false });
  const there = ids?.every((id) => document.getElementById(id));
  if (there) mark(ids, (row) => outcome(row, "", answer.why?.[row.dataset.id] ?? ""));
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

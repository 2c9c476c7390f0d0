// What this person did in this window, on items' pages and in the list alike, the last at the end: for undo. It survives
// a reload. What was done elsewhere (another window, another browser, a terminal) the server knows.
//
// An entry is {ids, words} and what takes it back: {event}, a decision's id; {skip}, true or a request's id; or {batch},
// the id of a decision on many. `ids` is null where filters chose them.
import { csrf } from "/static/page.js";
import { deliver, enqueue, lastEvent, newId, scope } from "/static/outbox.js";

const KEPT = `${scope}:done`, MOST = 500;
const write = (entries) => {
  sessionStorage.setItem(KEPT, JSON.stringify(entries.slice(-MOST)));
  document.dispatchEvent(new CustomEvent("done:changed"));
};

export const done = () => JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
export const remember = (entry) => write([...done(), entry]);
export const forget = (matches) => write(done().filter((entry) => !matches(entry)));

// A decision on an item: what takes it back is its own, whatever was done with the item before.
export function rememberDecision(id, event, words) {
  write([...done().filter((entry) => !(entry.event && entry.ids.includes(id))), { ids: [id], event, words }]);
}

// A further event on an item that was decided here: undo must name it as seen. One of many is then taken back alone.
export function followed(id, event) {
  const entries = done().map((entry) => {
    if (entry.skip || !entry.ids?.includes(id)) return entry;
    return entry.event ? { ...entry, event } : { ...entry, ids: entry.ids.filter((one) => one !== id) };
  });
  if (!entries.some((entry) => entry.event === event)) {
    const alone = done().find((entry) => entry.batch && entry.ids?.includes(id));
    if (alone) entries.push({ ids: [id], event, words: alone.words });
  }
  write(entries.filter((entry) => entry.ids === null || entry.ids.length));
}

// Whether the item was put away here by a decision, or by a skip where `skips` says that these count.
export const isPutAway = (id, skips) => done().some((entry) => entry.ids?.includes(id) && (skips || !entry.skip));

// Takes back what was done last; returns {entry, answer}, the server's answer to come, or null for nothing. It goes
// through the outbox: behind what it takes back, and kept until the server has it.
export function takeBack() {
  const entries = done(), entry = entries.pop();
  if (!entry) return null;
  write(entries);
  return { entry, answer: deliver({ ...backOf(entry), what: `undo of: ${entry.words}` }) };
}

function backOf({ ids, event, skip, batch }) {
  if (skip) return { url: "/skips/undo", body: { ids } };
  return batch ? { url: "/decisions/undo", body: { id: batch } } : undoOf(ids[0], lastEvent(ids[0], event, -1));
}

function undoOf(id, seen) {
  const event = newId();
  return { url: `/items/${encodeURIComponent(id)}/decisions`, item: id, event, body: { event, action: "undo", seen } };
}

// What this person decided last and that still stands, wherever it was: {item, event, last}; null for nothing.
export async function elsewhere() {
  const headers = { Accept: "application/json", "X-CSRF-Token": csrf() };
  const answer = await fetch("/decisions/last", { headers, signal: AbortSignal.timeout(20_000) });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  const found = await answer.json();
  return found.item ? found : null;
}

export const takeBackElsewhere = ({ item, last }) => enqueue(undoOf(item, last));

// What was refused was not done.
document.addEventListener("outbox:refused", ({ detail }) => {
  const { item, body } = detail;
  forget((entry) => (item ? entry.ids?.includes(item) && !entry.batch : Boolean(body.id) && entry.batch === body.id));
});

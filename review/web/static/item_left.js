// How many items are left in the queue that an item's page goes through: the server's count, less what was done since.
import { waiting } from "/static/outbox.js";

let left = null, changed = -1; // the moment of the last change that a count may not know of

// Takes the count of a page that was asked for at the moment `at`, where it knows of all that was done here.
export function recount(count, at) {
  if (left === null || (at > changed && !waiting().length)) left = Number(count);
}

export function fewer(number) {
  left = Math.max(0, (left ?? 0) - number);
  changed = performance.now();
}

// null for a list that decisions take nothing out of.
export const known = (stage) => (["decided", "all"].includes(stage) ? null : left);

document.addEventListener("outbox:sent", () => { changed = performance.now(); });

// `u`, the same on every page: takes back what this person did last, here or elsewhere, or says why it does not.
import { notice } from "/static/page.js";
import { waiting } from "/static/outbox.js";
import { elsewhere, takeBack, takeBackElsewhere } from "/static/done.js";

let offered = null; // what was done elsewhere, as it was told: the second press takes it back

// Returns {entry, answer} as `takeBack` does, or null after it has said why nothing was taken back.
export async function undo(by) {
  const back = takeBack();
  if (back) {
    offered = null;
    return back;
  }
  if (waiting().length) return say("what you do is still on its way to the server; try again when it is there");
  let found;
  try {
    found = await elsewhere();
  } catch {
    return say("the server does not answer, and nothing of this window is left to take back", "error");
  }
  if (!found) return say("there is nothing to take back: no decision of yours stands");
  if (offered === found.event.id) {
    offered = null;
    takeBackElsewhere(found);
    return { entry: { ids: [found.item], event: found.event.id, words: words(found) }, answer: Promise.resolve({ undone: 1 }) };
  }
  offered = found.event.id;
  return say(`nothing of this window is left. Your last decision: ${words(found)}. "${by}" once more takes it back.`);
}

function words({ item, event }) {
  return `${event.action.replaceAll("_", " ")} on ${item}, ${new Date(event.at).toLocaleString()}`;
}

function say(text, kind = "info") {
  notice(text, kind);
  return null;
}

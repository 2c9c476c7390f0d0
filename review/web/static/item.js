// The page of one item: a decision is one key; it goes to the outbox, and the next item is shown at once, since it was
// fetched before it was wanted. A key is never taken for an item that has not been in view.
import { csrf, notice } from "/static/page.js";
import { enqueue, goWithin, lastEvent, me, newId, saidSince, waiting, waitingFor } from "/static/outbox.js";
import { done, followed, isPutAway, remember, rememberDecision } from "/static/done.js";
import { undo as takeBack } from "/static/undo.js";
import { DONE, said, short } from "/static/said.js";
import { fewer, known as left, recount } from "/static/item_left.js";
import { bindKeys } from "/static/keys.js";
import { bringCitedIntoView } from "/static/item_source.js";
import { decisionOf, forgetDraft, leave, open, openPanel, restore } from "/static/item_panels.js";

const SETTLE = 150; // milliseconds in view before a decision is taken: a bounced key is no second decision
const HEARTBEAT = 40_000; // a claim lasts two minutes
const FRESH = 300_000, PREFETCHED = 2, CACHED = 24;
const DECIDING = ["accept", "edit", "reject", "send_back"];
const place = document.getElementById("item");
const cache = new Map(); // item -> {html, at}
let shown = null; // {id, number, last, next, previous, at, article, heldBy, settled, armed}
let turn = 0, confirming = "";

const address = (id) => `/items/${encodeURIComponent(id)}${location.search}`;

const takesBack = ({ body }) => body.action === "undo" || body.skip === false;
const stage = () => new URLSearchParams(location.search).get("stage") ?? "open";

// Whether this window put the item out of the queue that it goes through: what is skipped, or decided, may be one too.
const isDone = (id) => {
  if (["decided", "all"].includes(stage())) return false;
  const counts = (isSkip) => !isSkip || stage() !== "skipped";
  const last = waitingFor(id).at(-1);
  return last ? !takesBack(last) && counts(last.body.skip) : isPutAway(id, counts(true));
};

// fetching

async function fetched(id) {
  const at = performance.now();
  const answer = await fetch(address(id), { headers: { "HX-Request": "true" }, signal: AbortSignal.timeout(30_000) });
  if (answer.status === 404) return null;
  if (!answer.ok) throw refusal(answer);
  const found = { html: await answer.text(), at };
  cache.delete(id);
  cache.set(id, found);
  if (cache.size > CACHED) cache.delete(cache.keys().next().value);
  return found;
}

const refusal = (answer) => Object.assign(new Error(`the server answered ${answer.status}`), { ended: answer.status === 403 });

async function prefetch() {
  const mine = turn;
  for (const id of candidates().slice(0, PREFETCHED)) {
    const kept = cache.get(id);
    if (kept && performance.now() - kept.at < FRESH) continue;
    try {
      await fetched(id);
    } catch {
      return; // it is fetched when it is wanted
    }
    if (mine !== turn) return;
  }
}

const candidates = () => (shown?.next ?? []).filter((id) => !isDone(id));

// showing

function read(article, at) {
  const { id, last, next, previous, decision, decidedBy, heldBy } = article.dataset;
  const number = Number(article.dataset.number); // another, when the item was made again
  const precedent = Boolean(article.dataset.precedent), drafted = Boolean(article.dataset.drafted);
  const noted = Boolean(article.dataset.noted);
  const was = shown?.id === id ? shown : null; // drawn anew: it has been in view
  shown = { id, number, last, next: JSON.parse(next), previous, decision, decidedBy, heldBy, at, article };
  Object.assign(shown, { noted, precedent, drafted });
  const told = saidSince(id, at); // the page was drawn before the server heard of a decision
  if (told) {
    shown.decision = told.decision?.action ?? "";
    shown.decidedBy = told.decision?.reviewer ?? "";
    shown.noted = Boolean(told.decision?.note);
  }
  const own = waitingFor(id).filter(({ body }) => DECIDING.includes(body.action) || body.action === "undo").at(-1)?.body;
  if (own) {
    shown.decision = own.action === "undo" ? "" : own.action;
    shown.decidedBy = own.reviewer;
    shown.noted = Boolean(own.note);
  }
  recount(article.dataset.left, at);
  shown.settled = was?.settled ?? false;
  shown.armed = was?.armed ?? false;
}

function show(id, { html, at }, { push = true, quiet = false } = {}) {
  const left = shown;
  if (!quiet) turn += 1;
  place.innerHTML = html; // the server's own fragment: it has escaped all text of others
  place.removeAttribute("aria-busy");
  read(place.querySelector("article"), at);
  confirming = quiet ? confirming : "";
  buttons();
  restore(shown.article);
  bringCitedIntoView(shown.article);
  warn();
  if (quiet) return;
  if (push) history.pushState({ id }, "", address(id));
  document.title = document.title.replace(/^.*? · /, `${shown.article.querySelector("h1").textContent.trim()} · `);
  scrollTo(0, 0);
  shown.article.querySelector("h1").focus({ preventScroll: true });
  arrive(left?.id);
}

function arrive(left) {
  const mine = turn;
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => {
    if (mine !== turn || !shown) return;
    shown.settled = true;
    shown.article.dataset.ready = "yes";
  }, SETTLE)));
  if (left && left !== shown.id && !isDone(left)) hold(left, false);
  hold(shown.id, true);
  if (saidSince(shown.id, shown.at)) refresh(shown.id);
  prefetch();
}

function buttons() {
  const set = (name, change) => document.querySelectorAll(`.actions [data-do=${name}]`).forEach(change);
  for (const name of ["accept", "accept_note"]) set(name, (button) => { button.disabled = Boolean(shown) && !shown.drafted; });
  set("precedent", (button) => button.setAttribute("aria-pressed", String(Boolean(shown?.precedent || shown?.armed))));
  set("previous", (button) => { button.disabled = !shown?.previous; });
  const chip = shown?.article.querySelector(".precedent-chip");
  if (!chip) return;
  chip.hidden = !(shown.precedent || shown.armed);
  chip.textContent = shown.armed && !shown.precedent ? "a precedent, once you decide" : "precedent";
}

function waitingText(text, link = false) {
  shown = null;
  turn += 1;
  const line = document.createElement("p");
  line.className = "panel waiting";
  line.setAttribute("role", "status");
  line.textContent = text;
  if (link) {
    const back = document.createElement("a");
    back.href = `/${location.search}`;
    back.textContent = "Back to the queue";
    line.append(" ", back);
  } else place.setAttribute("aria-busy", "true");
  place.replaceChildren(line);
  buttons();
  return turn;
}

// moving

function advance() {
  const wanted = candidates();
  const ready = wanted.find((id) => cache.has(id));
  if (ready) show(ready, cache.get(ready));
  else seek(wanted);
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// Goes to the first of `wanted` that is there, or asks what waits at the queue's beginning; tries until it knows.
async function seek(wanted, options = {}) {
  const mine = waitingText("The next item is on its way. Keys wait until it is here.");
  let ids = [...wanted];
  for (let wait = 500; mine === turn; wait = Math.min(15_000, wait * 2)) {
    try {
      if (!ids.length) {
        ids = (await following()).filter((id) => !isDone(id));
        if (mine !== turn) return;
        if (!ids.length && !waiting().length) return void waitingText("Nothing more waits here.", true);
      }
      while (ids.length && mine === turn) {
        const found = await fetched(ids[0]);
        if (mine !== turn) return;
        if (found) return show(ids[0], found, options);
        ids.shift();
      }
    } catch (error) {
      if (mine !== turn) return;
      place.querySelector(".waiting").textContent = error.ended
        ? "This session has ended: open the page with the address that `gristmill review` printed. What you decided is kept."
        : "The server does not answer; the next item comes when it does. What you decided is kept.";
    }
    await pause(wait);
  }
}

async function following() {
  const answer = await fetch(`/following${location.search}`, { signal: AbortSignal.timeout(30_000) });
  if (!answer.ok) throw refusal(answer);
  return (await answer.json()).next;
}

function go(id, options) {
  if (!isDone(id) && cache.has(id)) show(id, cache.get(id), options);
  else seek([id], options);
}

// claims

async function hold(id, hold) {
  const at = performance.now(), mine = turn;
  let told;
  try {
    const answer = await fetch(`/items/${encodeURIComponent(id)}/claim`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": csrf() },
      body: JSON.stringify({ hold, reviewer: me() }),
      keepalive: !hold,
      signal: AbortSignal.timeout(20_000),
    });
    if (!answer.ok) return;
    told = await answer.json();
  } catch {
    return; // the next heartbeat asks again
  }
  if (!hold || mine !== turn || shown?.id !== id) return;
  shown.heldBy = told.held_by;
  warn();
  if (told.last === shown.last || at < shown.at || waitingFor(id).length) return;
  if (told.last === lastEvent(id, shown.last, shown.at)) return;
  if (told.decision && told.decision.reviewer !== me()) {
    notice(`${told.decision.reviewer} decided it meanwhile: ${told.decision.action.replaceAll("_", " ")}`, "error");
  }
  refresh(id);
}

function warn() {
  const line = shown.article.querySelector(".held");
  line.hidden = !shown.heldBy;
  const text = shown.heldBy ? `${shown.heldBy} looks at this item now. A decision of yours needs its key twice.` : "";
  if (line.textContent !== text) line.textContent = text;
}

// Draws the item that is shown anew, where nobody is typing.
async function refresh(id) {
  try {
    const found = await fetched(id);
    if (found && shown?.id === id && found.at > shown.at && !openPanel()) {
      const scrolled = scrollY;
      show(id, found, { quiet: true });
      shown.article.dataset.ready = shown.settled ? "yes" : "";
      scrollTo(0, scrolled);
    }
  } catch {
    // it is as it was
  }
}

setInterval(() => { if (shown && !document.hidden) hold(shown.id, true); }, HEARTBEAT);
addEventListener("pagehide", () => { if (shown) hold(shown.id, false); });
document.addEventListener("visibilitychange", () => { if (shown && !document.hidden) hold(shown.id, true); });

// deciding

function takes(by) {
  if (shown?.settled) return true;
  const why = shown ? "this item had not been in view; look at it and press again" : "the next item is not here yet";
  notice(`"${by}" was not taken: ${why}`, "error");
  return false;
}

// Whether the person knows of what others do with the item, and of the decision that would be overruled: else the first
// press tells, and the second decides. The server overrules for nobody who does not say that they know.
function knows(action, by) {
  const { decision, decidedBy, heldBy } = shown;
  const own = decidedBy === me(), overrules = decision && DECIDING.includes(action);
  const who = own ? "you have" : `${decidedBy} has`;
  const stands = overrules || (decision && !own) ? `${who} decided this item: ${DONE[decision]}` : "";
  const why = [heldBy ? `${heldBy} looks at this item now` : "", stands].filter(Boolean).join("; ");
  const asked = `${shown.id} ${action} ${decision} ${decidedBy}`;
  if (!why || confirming === asked) return true;
  confirming = asked;
  notice(`${why}. "${by}" once more ${overrules ? "overrules that" : "decides all the same"}.`, "error");
  return false;
}

function event(id, action, seen, further = {}) {
  const key = newId(), number = shown?.id === id ? shown.number : 0;
  const body = { event: key, action, seen, number, ...further };
  return enqueue({ url: `/items/${encodeURIComponent(id)}/decisions`, item: id, event: key, body }) && key;
}

function decide(action, by, further = {}) {
  if (!takes(by) || !knows(action, by)) return;
  const { id, armed, decision } = shown;
  let last = event(id, action, lastEvent(id, shown.last, shown.at), decision ? { ...further, overrule: true } : further);
  if (!last) return;
  if (armed && !shown.precedent) last = event(id, "precedent", last);
  rememberDecision(id, last, told(action));
  if (!decision) fewer(1);
  said(`${told(action)}.`, { left: left(stage()) });
  advance();
}

// What is done with the item that is shown, in words.
const told = (action) => `${DONE[action]}: “${short(shown.article.dataset.title)}”`;

function skip(by) {
  if (!takes(by)) return;
  const { id } = shown;
  enqueue({ url: `/items/${encodeURIComponent(id)}/skip`, item: id, body: { skip: true } });
  remember({ ids: [id], skip: true, words: told("skip") });
  if (stage() === "open" && !shown.decision) fewer(1);
  said(`${told("skip")}.`, { left: left(stage()) });
  advance();
}

async function undo(by) {
  if (!done().length && shown?.decision && !waitingFor(shown.id).length) { // of the item in view, wherever it was decided
    if (!takes(by) || !knows("undo", by)) return;
    event(shown.id, "undo", lastEvent(shown.id, shown.last, shown.at));
    return said(`${told("undo")}.`, { left: left(stage()), undo: false });
  }
  const back = await takeBack(by);
  if (!back) return;
  const { ids, skip: skipped, words } = back.entry;
  back.answer.catch(() => {}); // the outbox says why
  if (ids && (!skipped || stage() === "open")) fewer(-ids.length);
  said(`${DONE.undo}: ${words}.`, { left: left(stage()), undo: false });
  if (ids?.length !== 1 || shown?.id === ids[0]) return;
  if (cache.has(ids[0])) show(ids[0], cache.get(ids[0]));
  else seek(ids);
}

// A mark on a decision that says nothing of why asks for it: the critic learns from the note.
function precedent(by) {
  if (!takes(by)) return;
  if (!shown.decision) shown.armed = !shown.armed; // it goes with the decision
  else if (shown.precedent || shown.noted) mark(by);
  else open(shown.article, "precedent");
  buttons();
}

function mark(by, note = "") {
  if (!takes(by) || !knows("precedent", by)) return;
  const action = shown.precedent ? "no_precedent" : "precedent";
  const last = event(shown.id, action, lastEvent(shown.id, shown.last, shown.at), note ? { note } : {});
  if (!last) return;
  shown.precedent = !shown.precedent;
  followed(shown.id, last);
  leave(shown.article, { quiet: true });
  buttons();
}

// Whether a decision asks for its note first: it is to be a precedent.
const asks = () => Boolean(shown?.settled && shown.armed && !shown.precedent);

function accept(by, panel = asks()) {
  if (shown?.settled && !shown.drafted) notice("there is no draft to accept: e writes one, r confirms the rejection", "error");
  else if (!panel) decide("accept", by);
  else if (takes(by)) open(shown.article, "accept");
}

function save(by) {
  const panel = openPanel(), decision = panel && shown && decisionOf(panel, shown.article);
  if (!decision) return;
  if (decision[0] === "precedent") mark(by, decision[1].note);
  else decide(decision[0], by, decision[1]);
}

const ACTIONS = {
  accept: (by) => accept(by),
  accept_note: (by) => accept(by, true),
  reject: (by) => (asks() ? open(shown.article, "reasons", "#reject-note") : decide("reject", by)),
  edit: (by) => takes(by) && open(shown.article, "edit"),
  send_back: (by) => takes(by) && open(shown.article, "note"),
  reasons: (by) => takes(by) && open(shown.article, "reasons"),
  save,
  leave: () => shown && leave(shown.article),
  skip,
  undo,
  precedent,
  next: (by) => (shown ? advance() : takes(by)),
  previous: (by) => {
    if (!shown) takes(by);
    else if (shown.previous) go(shown.previous);
    else notice("this is the first item of the queue");
  },
  search: () => goWithin(`/${location.search}#text`),
};

bindKeys(ACTIONS);
addEventListener("popstate", () => {
  const id = location.pathname.match(/^\/items\/([^/]+)$/)?.[1];
  if (id && decodeURIComponent(id) !== shown?.id) go(decodeURIComponent(id), { push: false });
});
document.addEventListener("outbox:sent", ({ detail: { entry, told } }) => {
  if (["edit", "send_back", "reject"].includes(entry.body.action) || entry.body.note) forgetDraft(entry.item);
  if (shown?.id !== entry.item || waitingFor(entry.item).length) return; // what was drawn before the last is old again
  if (told.last !== undefined) {
    shown.decision = told.decision?.action ?? "";
    shown.decidedBy = told.decision?.reviewer ?? "";
    shown.noted = Boolean(told.decision?.note);
  }
  refresh(entry.item);
});
document.addEventListener("outbox:refused", ({ detail }) => {
  cache.delete(detail.item);
  if (shown?.id === detail.item) refresh(detail.item);
});

read(place.querySelector("article"), 0); // drawn before anything was sent from here
said("", { left: left(stage()), undo: false });
cache.set(shown.id, { html: place.innerHTML, at: 0 });
buttons();
restore(shown.article);
bringCitedIntoView(shown.article);
warn();
arrive();

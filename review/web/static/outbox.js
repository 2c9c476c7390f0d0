// What a person decided and the server has not yet taken: kept in localStorage, sent in order, again and again, until
// the server says yes or no. Each entry has an id of its own, so that sending it twice counts once. A page that is
// closed or loaded anew goes on where the last one was.
//
// Entries stand under keys of their own: two windows of one browser do not overwrite each other's.
import { csrf, notice } from "/static/page.js";

const FIRST_WAIT = 500, LONGEST_WAIT = 30_000, ANSWER = 20_000; // milliseconds
const MOST = 1_900_000; // bytes of one write: the server refuses two million before it has read them
const SERVER_FAULTS = 6; // answers of 500 to one entry until it is set aside, so that the others are sent
const meta = (name) => document.querySelector(`meta[name=${name}]`)?.content ?? "";
export const scope = `gristmill:${meta("run")}`;
export const me = () => meta("reviewer");
const WAITING = `${scope}:outbox:`, REFUSED = `${scope}:refused:`;

const unkept = new Map(); // entries that localStorage had no room for: they live as long as this page
const acknowledged = new Map(); // item -> {last, decision, at}: what the server said since this page was loaded
const faults = new Map();
const awaited = new Map(); // key of an entry -> who waits in this window for its answer
const windows = new BroadcastChannel(scope); // of this run in this browser
windows.addEventListener("message", ({ data }) => answered(data.key, data, false));
let wait = FIRST_WAIT, timer = 0, sending = false, leaving = false, state = "";

export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  // Without TLS and beyond localhost there is no randomUUID.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Keeps `body` for `url` and begins to send. `item` is what it is about ("" for many), `event` the id of the decision
// ("" for none), `what` the words for it where it is refused. Returns the entry; null, when it is more than is taken.
export function enqueue({ url, body, item = "", event = "", what = "" }) {
  if (new Blob([JSON.stringify(body)]).size > MOST) {
    notice("it was not taken: it is longer than the server takes at once; make it shorter", "error");
    return null;
  }
  const last = waiting().at(-1);
  const order = Math.max(Date.now(), (last?.order ?? 0) + 1); // also when the clock was set back
  const entry = { key: `${WAITING}${String(order).padStart(16, "0")}:${newId()}`, order, url, body: { ...body, reviewer: me() }, item, event, what };
  keep(entry);
  changed();
  send();
  return entry;
}

// As `enqueue`, for who waits: resolves to the server's answer; rejects with what it says of what it refuses.
export function deliver(write) {
  const entry = enqueue(write);
  if (!entry) return Promise.reject(new Error("it was not sent"));
  return new Promise((resolve, reject) => awaited.set(entry.key, { resolve, reject }));
}

// Says what became of an entry to who waits for it, in this window or in another: any of them may have sent it.
function answered(key, { told = null, error = "" }, near = true) {
  if (near) windows.postMessage({ key, told, error });
  const who = awaited.get(key);
  awaited.delete(key);
  if (told) who?.resolve(told);
  else who?.reject(new Error(error));
}

export function waiting() {
  return [...stored(WAITING), ...unkept.values()].sort((one, other) => (one.key < other.key ? -1 : 1));
}

export const waitingFor = (item) => waiting().filter((entry) => entry.item === item);

// The item's last event that this person knows of: the newest of one's own that waits, or what the server said last.
export function lastEvent(item, shown, shownAt) {
  const own = waitingFor(item).filter((entry) => entry.event).at(-1);
  if (own) return own.event;
  return saidSince(item, shownAt)?.last ?? shown;
}

// What the server said of an item after the moment `since`, to one's own decisions; undefined when it said nothing.
export function saidSince(item, since) {
  const said = acknowledged.get(item);
  return said && said.at > since ? said : undefined;
}

// What the server did not take, until the person has read it.
export function refused() {
  return stored(REFUSED).sort((one, other) => (one.key < other.key ? -1 : 1));
}

function stored(prefix) {
  const found = [];
  for (let place = 0; place < localStorage.length; place += 1) {
    const key = localStorage.key(place);
    if (!key.startsWith(prefix)) continue;
    try {
      found.push({ ...JSON.parse(localStorage.getItem(key)), key });
    } catch {
      localStorage.removeItem(key); // not ours
    }
  }
  return found;
}

function keep(entry) {
  try {
    localStorage.setItem(entry.key, JSON.stringify(entry));
  } catch {
    unkept.set(entry.key, entry);
    state = "this browser has no room left to keep it: leave this page open until all is sent";
  }
}

function forget(entry) {
  unkept.delete(entry.key);
  localStorage.removeItem(entry.key);
}

async function send() {
  clearTimeout(timer);
  if (sending || !me()) return;
  sending = true;
  try {
    if (navigator.locks) await navigator.locks.request(`${scope}:sender`, drain);
    else await drain();
  } finally {
    sending = false;
    if (waiting().length) timer = setTimeout(send, wait * (0.75 + Math.random() / 2));
  }
}

async function drain() {
  for (let entry = waiting()[0]; entry; entry = waiting()[0]) {
    if (!(await taken(entry))) {
      wait = Math.min(LONGEST_WAIT, wait * 2);
      changed();
      return;
    }
    wait = FIRST_WAIT;
    state = unkept.size ? state : "";
    changed();
  }
}

// Sends one entry. True when the server has said what becomes of it, false when it must be sent again.
async function taken(entry) {
  let answer, told;
  try {
    answer = await fetch(entry.url, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": csrf() },
      body: JSON.stringify(entry.body),
      signal: AbortSignal.timeout(ANSWER),
    });
    told = await answer.json();
  } catch {
    state = "the server does not answer; they are kept here and sent when it does";
    return false;
  }
  if (answer.ok) {
    if (told.last !== undefined) {
      acknowledged.set(entry.item, { last: told.last, decision: told.decision, at: performance.now() });
    }
    forget(entry);
    document.dispatchEvent(new CustomEvent("outbox:sent", { detail: { entry, told } }));
    answered(entry.key, { told });
    return true;
  }
  if (answer.status === 403) {
    state = "this session has ended: open the page with the address that `gristmill review` printed; they are kept here";
    return false;
  }
  if ([408, 421, 425, 429].includes(answer.status) || answer.status >= 500) {
    const count = (faults.get(entry.key) ?? 0) + 1;
    faults.set(entry.key, count);
    state =
      answer.status === 503
        ? "the run's store does not answer; they are kept here and sent when it does"
        : `the server answered ${answer.status}; they are kept here and sent again`;
    if (answer.status !== 500 || count < SERVER_FAULTS) return false;
  }
  setAside(entry, answer.status, told);
  return true;
}

// A refused decision is never dropped: it is kept with the reason until the person has read it. So are those that were
// made after it on the same item, in the belief that it would stand.
function setAside(entry, status, told) {
  const behind = waitingFor(entry.item).filter((one) => one.key !== entry.key && entry.event && one.event);
  const aside = { ...entry, status, error: told.error ?? `answer ${status}`, first: told.first ?? null, also: behind.length };
  forget(entry);
  behind.forEach(forget);
  keep({ ...aside, key: `${REFUSED}${entry.key.slice(WAITING.length)}` });
  document.dispatchEvent(new CustomEvent("outbox:refused", { detail: aside }));
  answered(entry.key, { error: aside.error });
}

// What is seen of it: a number in the head of the page, and a list of what was refused.

function changed() {
  const count = waiting().length;
  let line = document.getElementById("unsent");
  if (!line) {
    line = document.createElement("p");
    line.id = "unsent";
    line.setAttribute("role", "status");
    document.querySelector("header.top .who")?.before(line);
  }
  const text = count ? `${count} unsent${state ? `: ${state}` : ""}` : "";
  if (line.textContent !== text) line.textContent = text;
  line.classList.toggle("waits", Boolean(count && state));
  document.dispatchEvent(new CustomEvent("outbox:changed", { detail: { count } }));
}

function showRefused() {
  for (const entry of refused()) {
    const id = `refused-${entry.key.slice(REFUSED.length)}`;
    if (document.getElementById(id)) continue;
    const line = document.createElement("div");
    line.id = id;
    line.className = "notice error refused";
    line.setAttribute("role", "alert");
    const text = document.createElement("p");
    const what = entry.what || (entry.body.action ?? "skip").replaceAll("_", " ");
    const also = entry.also ? ` (and ${entry.also} more on this item)` : "";
    text.textContent = `Your decision "${what}"${also} was not taken: ${entry.error}`; // never as HTML
    const link = document.createElement("a");
    link.href = entry.item ? `/items/${encodeURIComponent(entry.item)}` : "/";
    link.textContent = entry.item ? "Look at the item" : "Look at the queue";
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "Dismiss";
    close.addEventListener("click", () => {
      localStorage.removeItem(entry.key);
      unkept.delete(entry.key);
      line.remove();
    });
    const end = document.createElement("p");
    end.className = "buttons";
    end.append(link, " ", close);
    line.append(text, end);
    document.getElementById("notices")?.append(line);
  }
}

document.addEventListener("outbox:refused", showRefused);
addEventListener("online", () => { wait = FIRST_WAIT; send(); });
addEventListener("storage", (event) => { if (event.key?.startsWith(scope)) { changed(); showRefused(); } });
document.addEventListener("visibilitychange", () => { if (!document.hidden) { wait = FIRST_WAIT; send(); } });
// Within these pages nothing is lost by going on: the next page sends what is left.
document.addEventListener("click", (event) => { leaving = Boolean(event.target.closest?.("a[href^='/']")); }, true);
addEventListener("pageshow", () => { leaving = false; });
addEventListener("beforeunload", (event) => { if (!leaving && waiting().length) event.preventDefault(); });
export const goWithin = (address) => { leaving = true; location.assign(address); };

changed();
showRefused();
send();

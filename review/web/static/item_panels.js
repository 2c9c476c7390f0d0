// The note, the reasons and the editors of an item's page. What is typed is kept in localStorage until it was sent.
import { notice } from "/static/page.js";
import { scope } from "/static/outbox.js";
import { showDiff } from "/static/diff.js";

const KEPT_DAYS = 30;
const DRAFT = `${scope}:draft:`;
const panels = () => [...document.querySelectorAll("[data-panel]")];
export const openPanel = () => panels().find((panel) => !panel.hidden) ?? null;

function draftOf(id) {
  try {
    return JSON.parse(localStorage.getItem(DRAFT + id)) ?? { fields: {} };
  } catch {
    return { fields: {} };
  }
}

function keepDraft(id, draft) {
  try {
    if (!draft.panel && !Object.keys(draft.fields).length) localStorage.removeItem(DRAFT + id);
    else localStorage.setItem(DRAFT + id, JSON.stringify({ ...draft, at: Date.now() }));
  } catch {
    notice("this browser has no room left to keep what you type; send it before you leave the page", "error");
  }
}

export const forgetDraft = (id) => localStorage.removeItem(DRAFT + id);

function fieldsOf(article) {
  return [...article.querySelectorAll("[data-draft]")];
}

function compare(field) {
  const live = field.closest(".editor")?.querySelector(".live");
  if (!live) return;
  live.hidden = field.value === field.defaultValue;
  if (!live.hidden) showDiff(live, field.defaultValue, field.value);
}

// Fills the fields of an item that has just been shown, and opens the panel that was open when the page was left.
export function restore(article) {
  const draft = draftOf(article.dataset.id);
  for (const field of fieldsOf(article)) {
    const kept = draft.fields[field.dataset.draft];
    if (kept !== undefined) field.value = kept;
    let timer = 0;
    field.addEventListener("input", () => {
      const now = draftOf(article.dataset.id);
      if (field.value === field.defaultValue) delete now.fields[field.dataset.draft];
      else now.fields[field.dataset.draft] = field.value;
      keepDraft(article.dataset.id, now);
      clearTimeout(timer);
      timer = setTimeout(compare, 120, field);
    });
    if (kept !== undefined) compare(field);
  }
  if (draft.codes) {
    for (const box of article.querySelectorAll("input[name=reason]")) box.checked = draft.codes.includes(box.value);
  }
  for (const box of article.querySelectorAll("input[name=reason]")) {
    box.addEventListener("change", () => keepDraft(article.dataset.id, { ...draftOf(article.dataset.id), codes: checked(article) }));
  }
  if (draft.panel) open(article, draft.panel, false);
}

// `focus` is false, or a selector of the field that is to have it, true for the panel's first.
export function open(article, name, focus = true) {
  for (const panel of panels()) panel.hidden = panel.dataset.panel !== name;
  const panel = openPanel();
  if (!panel) return;
  keepDraft(article.dataset.id, { ...draftOf(article.dataset.id), panel: name });
  if (focus) {
    const first = (focus === true ? null : panel.querySelector(focus)) ?? panel.querySelector("[data-role=assistant]") ?? panel.querySelector("textarea, input");
    first.focus();
    panel.scrollIntoView({ block: "nearest" });
  }
}

// Closes the panel; its text stays in the field and in localStorage.
export function leave(article, { quiet = false } = {}) {
  const panel = openPanel();
  if (!panel) return;
  const draft = draftOf(article.dataset.id);
  keepDraft(article.dataset.id, { ...draft, panel: "" });
  panel.hidden = true;
  article.querySelector("h1").focus({ preventScroll: true });
  if (Object.keys(draft.fields).length && !quiet) notice("closed; your text is kept with this item");
}

const value = (panel, name) => panel.querySelector(`[data-draft="${name}"]`).value.trim();
const checked = (place) => [...place.querySelectorAll("input[name=reason]:checked")].map((box) => box.value);

// Returns the decision that the open panel makes, or null after it has said what is missing.
export function decisionOf(panel, article) {
  const kind = panel.dataset.panel;
  if (["accept", "precedent"].includes(kind)) {
    const note = value(panel, `${kind}-note`);
    return [kind, note ? { note } : {}];
  }
  if (kind === "note") {
    const note = value(panel, "note");
    if (!note) notice("say what should change before you send it back", "error");
    return note ? ["send_back", { note }] : null;
  }
  if (kind === "reasons") {
    const further = value(panel, "other").split(",").map((code) => code.trim()).filter(Boolean);
    const reasons = [...new Set([...checked(panel), ...further])];
    if (!reasons.length) notice("choose at least one reason", "error");
    return reasons.length ? ["reject", { reasons: reasons.slice(0, 20), note: value(panel, "why") }] : null;
  }
  return editOf(panel, article);
}

function editOf(panel, article) {
  const originals = JSON.parse(article.dataset.messages);
  const messages = [...panel.querySelectorAll("textarea[data-role]")].map((field, place) =>
    // A form changes line ends: a message that nobody touched goes back exactly as it was.
    field.value === field.defaultValue && originals[place]
      ? originals[place]
      : { role: field.dataset.role, content: field.value },
  );
  const written = messages.filter((message) => message.content.trim());
  const touched = [...panel.querySelectorAll("textarea[data-role]")].some((field) => field.value !== field.defaultValue);
  if (!written.length || !touched) {
    notice(touched ? "an item needs at least one message with text" : "nothing was changed: a accepts it as it is", "error");
    return null;
  }
  return ["edit", { messages: originals.length ? messages : written, note: value(panel, "edit-note") }];
}

// Texts that nobody came back to for a month.
for (let place = localStorage.length - 1; place >= 0; place -= 1) {
  const key = localStorage.key(place);
  if (!key?.startsWith(DRAFT)) continue;
  if (Date.now() - (draftOf(key.slice(DRAFT.length)).at ?? 0) > KEPT_DAYS * 86_400_000) localStorage.removeItem(key);
}

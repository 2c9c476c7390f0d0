// One dialog that asks for a yes or for a text.
"use strict";

// Resolves to the text ("" where none was asked for), or to null when the person thought better of it.
export function ask({ title, label = "", button = "Do it", text = null, required = false }) {
  const dialog = document.getElementById("note-dialog");
  const field = document.getElementById("note-text");
  document.getElementById("note-title").textContent = title;
  document.getElementById("note-label").textContent = label;
  document.getElementById("note-label").hidden = text === null;
  const ok = dialog.querySelector("button[value=ok]");
  ok.textContent = button;
  field.hidden = text === null;
  field.required = required;
  field.value = text ?? "";
  dialog.returnValue = "";
  dialog.showModal();
  (text === null ? ok : field).focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok" ? field.value.trim() : null), { once: true });
  });
}

document.addEventListener("keydown", (event) => {
  if (event.target.id !== "note-text" || event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  event.target.form.requestSubmit(event.target.form.querySelector("button[value=ok]"));
});

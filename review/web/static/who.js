// The name that a person decides under: shown on every page, changed in a dialog.
"use strict";
import { csrf, notice } from "./page.js";

async function renamed(name) {
  const headers = { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": csrf() };
  const request = { method: "POST", headers, body: JSON.stringify({ name }), signal: AbortSignal.timeout(20_000) };
  const answer = await fetch("/me", request).catch(() => null);
  if (!answer) throw new Error("the server does not answer; you decide under your old name until it does");
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.error || `${answer.status}: the server refused it`);
  return told.reviewer;
}

const dialog = () => document.getElementById("who-dialog");

document.addEventListener("click", (event) => {
  if (!event.target.closest("#who")) return;
  document.getElementById("who-name").value = document.getElementById("who").dataset.name;
  dialog().returnValue = "";
  dialog().showModal();
});

document.addEventListener(
  "close",
  async (event) => {
    if (event.target !== dialog() || dialog().returnValue !== "ok") return;
    try {
      const reviewer = await renamed(document.getElementById("who-name").value);
      const button = document.getElementById("who");
      button.dataset.name = reviewer;
      button.querySelector("bdi").textContent = reviewer;
      document.querySelector("meta[name=reviewer]").content = reviewer;
      notice(`You decide as ${reviewer} from now on.`);
    } catch (error) {
      notice(error.message, "error");
    }
  },
  true, // close does not bubble
);

// The name that a person decides under: shown on every page, changed in a dialog.
"use strict";
import { notice } from "./page.js";
import { send } from "./send.js";

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
      const { reviewer } = await send("/me", { name: document.getElementById("who-name").value });
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

// What every page has: errors of requests as notices that a screen reader hears too.
"use strict";

export function notice(text, kind = "info") {
  const line = document.createElement("p");
  line.className = `notice ${kind}`;
  line.textContent = text; // never as HTML: it may quote a model
  document.getElementById("notices").append(line);
  setTimeout(() => line.remove(), kind === "error" ? 12000 : 5000);
}

export const csrf = () => document.querySelector("meta[name=csrf]").content;

document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 503) {
    notice("the run's store does not answer; what you decide is kept here and sent when it does", "error");
    return;
  }
  notice(`${event.detail.xhr.status}: the server refused it; load the page again`, "error");
});
document.addEventListener("htmx:sendError", () => notice("the server does not answer; is it still running?", "error"));

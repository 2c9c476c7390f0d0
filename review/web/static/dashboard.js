// Keeps the dashboard as it is now: its parts anew, the new points of its pictures, while somebody looks at it.
"use strict";

import { draw, redraw, take } from "./dashboard_charts.js";
import { morph } from "./dashboard_morph.js";

const LIVE = 2000;
const AGAIN = 5000; // after an error
const QUIET = 15000;
const link = () => document.getElementById("link");
let newest = 0;
let timer = 0;
let asking = false;

async function ask(address) {
  const answer = await fetch(address, { headers: { Accept: "text/html, application/json" } });
  if (answer.status === 403) throw new Error("this server was started anew: open the address that it printed");
  if (!answer.ok) throw new Error(`the server answers ${answer.status}; trying again`);
  return answer;
}

async function parts() {
  const text = await (await ask("/dashboard/parts")).text();
  const anew = new DOMParser().parseFromString(text, "text/html"); // it runs no script
  const status = link().textContent;
  for (const part of anew.querySelectorAll(".part[id]")) {
    const old = document.getElementById(part.id);
    if (old) morph(old, part);
  }
  link().textContent = status;
}

async function points() {
  const told = await (await ask(`/dashboard/data?since=${newest}`)).json();
  newest = take(told, newest === 0);
  return told.running;
}

async function look() {
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  let pause = QUIET;
  try {
    if (newest > 0) await parts(); // the page itself came with its first ones
    if (await points()) pause = LIVE;
    link().textContent = "";
  } catch (error) {
    pause = AGAIN;
    link().textContent = error instanceof TypeError ? "the server does not answer; trying again" : error.message;
  }
  asking = false;
  if (!document.hidden) timer = setTimeout(look, pause);
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden) look();
});
addEventListener("online", look);
document.getElementById("range").addEventListener("change", (event) => draw(Number(event.target.value)));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
look();

// Writes to the server that are not lost: each is repeated, with the same id of its own, until the server has answered.
"use strict";
import { csrf, notice } from "./page.js";

const AWAY = new Set([502, 503, 504]); // a proxy's word for a server that is not there
let waiting = 0;

// Resolves to the answer's JSON; rejects with what the server says of a request that it refuses.
export async function send(path, body) {
  waiting += 1;
  try {
    for (let attempt = 0; ; attempt += 1) {
      const response = await tried(path, body);
      if (response && !AWAY.has(response.status)) return await said(response);
      if (attempt === 0) notice("The server does not answer. What you decided is kept here and sent again.", "error");
      await new Promise((resolve) => setTimeout(resolve, Math.min(10000, 500 * 2 ** attempt)));
    }
  } finally {
    waiting -= 1;
  }
}

async function tried(path, body) {
  const headers = { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": csrf() };
  try {
    return await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  } catch (error) {
    if (error instanceof TypeError) return null; // fetch's word for a broken network
    throw error;
  }
}

async function said(response) {
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error || `${response.status}: the server refused it`);
  return answer;
}

addEventListener("beforeunload", (event) => {
  if (waiting) event.preventDefault();
});

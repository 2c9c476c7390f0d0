// One line that says what was done last, which key takes it back, and how many items are left: seen, and heard once.

export const DONE = {
  accept: "accepted", edit: "edited and accepted", reject: "rejected", send_back: "sent back", skip: "skipped",
  undo: "taken back",
};
const LONGEST = 60; // characters of a title

export const short = (title) => (title.length > LONGEST ? `${title.slice(0, LONGEST - 1)}…` : title);

// `left` is null where a decision takes nothing out of the list that is shown.
export function said(text, { left = null, undo = true } = {}) {
  const line = document.getElementById("said");
  const parts = [document.createElement("span")];
  parts[0].className = "what";
  parts[0].textContent = text; // never as HTML: it may quote a model
  if (undo) {
    const key = document.createElement("kbd");
    key.textContent = "u";
    const way = document.createElement("span");
    way.className = "way"; // where there is no room, the button says it
    way.append(key, " takes it back. ");
    parts.push(way);
  }
  if (left !== null) {
    const count = document.createElement("span");
    count.className = "left";
    count.textContent = `${left.toLocaleString("en")} left`;
    parts.push(count);
  }
  line.replaceChildren(...parts.flatMap((part) => [part, " "]));
}

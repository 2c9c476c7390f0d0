// What changed between two texts, word by word, as review/item/diffs.py does it for the server's pages (Myers, 1986): in
// steps that are counted, so that no text makes a keystroke slow.
const WORD = /[\p{L}\p{N}_]+|\s+|[^\p{L}\p{N}_\s]/gu;
const STEPS = 60_000;

// Returns [kind, text] pairs: "same" and "del" joined are `before`, "same" and "ins" joined `after`.
export function wordDiff(before, after) {
  const a = before.match(WORD) ?? [], b = after.match(WORD) ?? [];
  let head = 0, tail = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail += 1;
  const one = a.slice(head, a.length - tail), other = b.slice(head, b.length - tail);
  const inner = script(one, other) ?? [["del", one.join("")], ["ins", other.join("")]];
  return joined(withoutIslands([["same", a.slice(0, head).join("")], ...inner, ["same", a.slice(a.length - tail).join("")]].filter(([, text]) => text)));
}

// One unchanged space or short word between two changes is read better as a part of them.
function withoutIslands(pieces) {
  const changes = (piece) => piece && piece[0] !== "same";
  const runs = [];
  for (const [kind, text] of pieces) {
    if (kind === "same" && runs.at(-1)?.[0] === "same") runs.at(-1)[1] += text;
    else runs.push([kind, text]);
  }
  return runs.flatMap((run, place) => {
    const word = run[1].trim();
    const island = run[0] === "same" && changes(runs[place - 1]) && changes(runs[place + 1]);
    if (!island || word.length > 3 || /\s/.test(word) || run[1].includes("\n")) return [run];
    return [["del", run[1]], ["ins", run[1]]];
  });
}

function entered(before, i, d) {
  if (d === 0) return 0;
  return i === 0 || (i < d && before[i - 1] < before[i]) ? before[i] : before[i - 1] + 1;
}

function script(a, b) {
  const rows = [];
  for (let d = 0, steps = 0; d <= a.length + b.length; d += 1) {
    const before = rows.at(-1) ?? [], row = [];
    rows.push(row);
    for (let i = 0; i <= d; i += 1) {
      let x = entered(before, i, d);
      const start = x;
      while (x < a.length && x - 2 * i + d < b.length && a[x] === b[x - 2 * i + d]) x += 1;
      row.push(x);
      if (x === a.length && x - 2 * i + d === b.length) return walked(a, b, rows, i);
      steps += 1 + x - start;
    }
    if (steps > STEPS) return null;
  }
  return [];
}

function walked(a, b, rows, i) {
  const found = [];
  for (let d = rows.length - 1; d >= 0; d -= 1) {
    const before = rows[d - 1], start = entered(before, i, d);
    for (let x = rows[d][i] - 1; x >= start; x -= 1) found.push(["same", a[x]]);
    if (d === 0) break;
    if (i === 0 || (i < d && before[i - 1] < before[i])) {
      found.push(["ins", b[start - 2 * i + d - 1]]);
    } else {
      found.push(["del", a[start - 1]]);
      i -= 1;
    }
  }
  return found.reverse();
}

// One piece a kind between two that stayed, what went before what came.
function joined(pieces) {
  const found = [];
  let went = "", came = "";
  const close = () => {
    if (went) found.push(["del", went]);
    if (came) found.push(["ins", came]);
    went = came = "";
  };
  for (const [kind, text] of pieces) {
    if (!text) continue;
    if (kind === "del") went += text;
    else if (kind === "ins") came += text;
    else {
      close();
      if (found.at(-1)?.[0] === "same") found.at(-1)[1] += text;
      else found.push(["same", text]);
    }
  }
  close();
  return found;
}

// Shows the change in `place`; texts enter as text.
export function showDiff(place, before, after) {
  place.replaceChildren(
    ...wordDiff(before, after).map(([kind, text]) => {
      if (kind === "same") return document.createTextNode(text);
      const element = document.createElement(kind);
      element.textContent = text;
      return element;
    }),
  );
}

// The page: reads its data and writes it as text; nothing of it is ever markup.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const side = data.set;
const plots = []; // functions that draw a picture anew, when the colours or the width have changed

function el(tag, given = {}, ...inner) {
  const one = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name === "class") one.className = value;
    else if (name in one && typeof value !== "string") one[name] = value;
    else one.setAttribute(name, value);
  }
  one.append(...inner.filter((child) => child !== null && child !== undefined));
  return one;
}

const whole = new Intl.NumberFormat("en");
function num(value) {
  if (value === null || value === undefined) return "–";
  return Math.abs(value) >= 1000 ? whole.format(Math.round(value)) : String(Number(value.toPrecision(4)));
}
const interval = (one) => (one.low === null || one.low === undefined ? "" : `${num(one.low)} to ${num(one.high)}`);
const SAID = [[/^rouge_l/, "ROUGE-L"], [/^self_bleu/, "self-BLEU"], [/^mtld/, "MTLD"], [/^vendi/, "Vendi score"], [/^distinct_(\d)/, "distinct-$1"], [/usd/, "US dollars"]];
const words = (name) => SAID.reduce((said, [what, how]) => said.replace(what, how), name).replaceAll("_", " ");
const HERE = "--c0", THERE = "--c2"; // of two sets side by side
const sets = data.against ? [{ told: side, label: "here", shade: HERE }, { told: data.against, label: "there", shade: THERE }] : [{ told: side, label: "items", shade: HERE }];

/** A panel whose marks lead to its own foot: what each figure means, and what its note says. */
function panel(title, { wide = false, lead = "" } = {}) {
  const box = el("section", { class: wide ? "panel wide" : "panel" }, el("h2", {}, title), lead ? el("p", { class: "dim" }, lead) : null);
  const number = document.querySelectorAll("#content section").length;
  const feet = new Map();
  document.getElementById("content").append(box);
  const mark = (text) => {
    if (!text) return null;
    if (!feet.has(text)) feet.set(text, feet.size + 1);
    const at = feet.get(text);
    return el("sup", {}, el("a", { href: `#n${number}-${at}`, "aria-label": `note ${at}` }, String(at)));
  };
  const close = () => {
    if (feet.size) box.append(el("ol", { class: "foot" }, ...[...feet].map(([text, at]) => el("li", { id: `n${number}-${at}` }, text))));
  };
  return { box, mark, close };
}

function table(heads, rows) {
  const head = el("tr", {}, ...heads.map(([name, kind]) => el("th", { class: kind || "", scope: "col" }, name)));
  const body = rows.map((cells) => el("tr", {}, ...cells.map((cell, place) => el("td", { class: heads[place][1] || "" }, ...[cell].flat()))));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" }, el("table", {}, el("thead", {}, head), el("tbody", {}, ...body)));
}

/** A bar from 0 to 1 with its interval. */
function measure(share, low, high, bad = false) {
  const box = el("span", { class: bad ? "measure bad" : "measure", "aria-hidden": "true" });
  const fill = el("i");
  fill.style.width = `${100 * (share ?? 0)}%`;
  box.append(fill);
  if (low !== null && low !== undefined) {
    const range = el("b");
    range.style.left = `${100 * low}%`;
    range.style.width = `${100 * (high - low)}%`;
    box.append(range);
  }
  return box;
}

// the parts

function head() {
  const there = data.against;
  const counted = ({ kind, items, status }) => {
    if (kind !== "run") return `${whole.format(items)} ${kind === "dataset" ? "rows" : "texts"}`;
    return `${whole.format(items)} items: ${Object.entries(status).map(([name, count]) => `${whole.format(count)} ${name}`).join(", ")}`;
  };
  document.getElementById("title").textContent = there ? `${side.name} beside ${there.name}` : side.name;
  document.getElementById("told").textContent =
    `${counted(side)}. Vectors: ${side.vectors.made_by || side.vectors.note}.` + (there ? ` Beside it ${counted(there)}.` : "");
  if (data.notes.length) {
    const { box } = panel("What to know first", { wide: true });
    box.append(el("ul", {}, ...data.notes.map((note) => el("li", {}, note))));
  }
}

function figures(part) {
  const { box, mark, close } = panel(part.title);
  const rows = part.figures.map((one) => [
    [words(one.name), mark(data.footnotes[one.name]), mark(one.note)].filter(Boolean),
    one.value === null ? "–" : `${num(one.value)} ${one.unit}`,
    interval(one),
    one.n ? whole.format(one.n) : "",
  ]);
  box.append(table([["figure"], ["value", "n"], ["95% interval", "n"], ["n", "n"]], rows));
  if (part.name === "cost") cost(box);
  if (part.name === "coverage") coverage(box);
  close();
}

function figure(box, told) {
  const holder = el("figure", {}, el("figcaption", {}, told));
  box.append(holder);
  return holder;
}

/** What an accepted item took, so far; and to what it went. */
function cost(box) {
  const priced = sets.every(({ told }) => told.kind !== "run" || told.growth.usd.at(-1));
  const [name, unit] = priced ? ["usd", "US dollars"] : ["tokens", "tokens"];
  const lines = sets.filter(({ told }) => told.kind === "run" && told.growth.accepted.at(-1)).map((set) => {
    const { items, accepted } = set.told.growth;
    return { label: set.label, xs: items, values: set.told.growth[name].map((sum, at) => (accepted[at] ? sum / accepted[at] : null)), shade: set.shade, dash: set.shade === THERE };
  });
  if (lines.length) {
    const holder = figure(box, `${unit} an accepted item: of all items so far, over those accepted so far`);
    keep(holder, () => drawLines(holder, lines, { x: "items that have ended", y: unit, height: 190 }));
    holder.after(key(lines));
  }
  if (!side.spent.length) return;
  const whole = side.spent.reduce((sum, row) => sum + row.tokens, 0);
  const rows = side.spent.map((row) => [
    row.status === "accepted" ? "accepted items themselves" : row.status === "no item" ? row.reason : `${row.reason} (${row.status})`,
    measure(row.tokens / whole, null, null, row.status !== "accepted"),
    `${num((100 * row.tokens) / whole)}%`,
    num(row.tokens_per_accepted),
  ]);
  box.append(el("h3", {}, "What it went to, tokens an accepted item"), table([["what"], ["of all tokens", "bar"], ["share", "n"], ["tokens", "n"]], rows));
}

/** How much accepted items touch, the more of them there are. */
function coverage(box) {
  const names = Object.entries(side.growth.coverage).sort((one, other) => other[1].known - one[1].known).map(([name]) => name).slice(0, sets.length > 1 ? 3 : 6);
  const lines = sets.flatMap(({ told, label, shade: of }) => names.filter((name) => told.growth.coverage[name] && told.growth.items.length).map((name) => {
    const { known, touched } = told.growth.coverage[name];
    const said = `${words(name)} (${whole.format(known)})`;
    return { label: sets.length > 1 ? `${said} ${label}` : said, xs: told.growth.accepted, values: touched.map((count) => count / known), shade: `--c${2 * names.indexOf(name) % 10}`, dash: of === THERE };
  })).map(rising);
  if (!lines.length) return;
  const holder = figure(box, "touched by accepted items, of those that there are (in brackets)");
  keep(holder, () => drawLines(holder, lines, { x: "accepted items", y: "share touched", top: 1.02 }));
  holder.after(key(lines));
}

/** A line with each x once, the last value of it, from 0 on. */
function rising(line) {
  const values = new Map([[0, 0], ...line.xs.map((x, at) => [x, line.values[at]])]);
  return { ...line, xs: [...values.keys()], values: [...values.values()] };
}

function map() {
  const { points, dimensions, how, note } = data.map;
  const { box, mark, close } = panel("Map of the items", { wide: true, lead: note || how });
  if (!points.length) {
    if (!note) box.append(el("p", {}, "nothing to show"));
    return;
  }
  box.querySelector("h2").append(mark(data.footnotes.map));
  const tints = [...(data.against ? ["set"] : []), "status", "reason", ...dimensions];
  const choice = el("select", { id: "tint" }, ...tints.map((name) => el("option", { value: name }, words(name))));
  const canvas = el("canvas", { class: "picture", tabindex: "0", role: "img", "aria-label": `${points.length} items as points of a plane; arrow keys go from one to the next` });
  const tip = el("div", { class: "tip", hidden: true, role: "status" });
  const legend = el("ul", { class: "legend", "aria-label": "Colours" });
  box.append(el("div", { class: "tools" }, el("label", { for: "tint" }, "Colour by"), choice), el("div", { class: "map" }, canvas, tip), legend);
  let [values, chosen] = [new Map(), null];
  const valueOf = (point) => {
    const name = choice.value;
    if (name === "set") return point.set ? "there" : "here";
    if (name === "status") return point.status;
    return (name === "reason" ? point.reason : point.cells[dimensions.indexOf(name)]) || "(none)";
  };
  const draw = () => drawMap(canvas, points, (point) => Math.min(9, values.get(valueOf(point)).place), chosen);
  const tint = () => {
    const counts = new Map();
    points.forEach((point) => counts.set(valueOf(point), (counts.get(valueOf(point)) || 0) + 1));
    const ranked = [...counts].sort((one, other) => other[1] - one[1]);
    const order = { status: ["accepted", "rejected", "failed"], set: ["here", "there"] }[choice.value];
    const fixed = { status: [0, 1, 6], set: [0, 2] }[choice.value];
    if (order) ranked.sort((one, other) => order.indexOf(one[0]) - order.indexOf(other[0]));
    values = new Map(ranked.map(([name, count], place) => [name, { place: order ? fixed[order.indexOf(name)] : place, count }]));
    const shown = ranked.slice(0, ranked.length > 10 ? 9 : 10);
    const rest = ranked.slice(shown.length).reduce((sum, [, count]) => sum + count, 0);
    legend.replaceChildren(...[...shown, ...(rest ? [[`${ranked.length - shown.length} others`, rest]] : [])].map(([name, count], place) => {
      const dot = el("i");
      dot.style.color = `var(--c${values.has(name) ? Math.min(9, values.get(name).place) : 9})`;
      return el("li", {}, dot, `${name} (${whole.format(count)})`);
    }));
    draw();
  };
  const choose = (point) => {
    if (point === chosen) return;
    chosen = point;
    draw();
    tip.hidden = !point;
    if (!point) return;
    tip.replaceChildren(el("p", {}, point.line || "(no text)"), el("p", { class: "dim" }, `${point.id}: ${point.status}${point.reason ? `, ${point.reason}` : ""}`));
    const [x, y] = placeOf(point, canvas.clientWidth, canvas.clientHeight);
    tip.style.left = `${Math.max(0, Math.min(x + 12, canvas.clientWidth - tip.offsetWidth))}px`;
    tip.style.top = `${y + 14 + tip.offsetHeight > canvas.clientHeight ? Math.max(0, y - tip.offsetHeight - 12) : y + 14}px`;
  };
  canvas.addEventListener("pointermove", (event) => choose(nearestPoint(canvas, points, event.offsetX, event.offsetY)));
  canvas.addEventListener("pointerleave", () => choose(null));
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") choose(null);
    if (!step) return;
    event.preventDefault();
    choose(points[(points.indexOf(chosen) + step + points.length) % points.length]);
  });
  choice.addEventListener("change", tint);
  tint();
  plots.push(draw);
  close();
}

function reasons() {
  if (!side.reasons.length || side.kind !== "run") return;
  const { box } = panel("Acceptance by reason");
  const rows = side.reasons.map((row) => [row.reason || "accepted", row.status, whole.format(row.items), measure(row.share, row.low, row.high, row.status !== "accepted"), `${num(100 * row.share)}%`, `${num(100 * row.low)} to ${num(100 * row.high)}%`]);
  box.append(table([["reason"], ["status"], ["items", "n"], ["of all", "bar"], ["share", "n"], ["95% interval", "n"]], rows));
}

function novelty() {
  if (!data.novelty.length) return;
  const { box, mark, close } = panel("Novelty over time", { wide: true, lead: "mean of the tasks that ended in each stretch: a duplicate is 0, an accepted item what its gate measured, 1 without a gate" });
  box.querySelector("h2").append(mark(data.footnotes.novelty));
  const all = data.novelty[0].points;
  const ends = all.map((one) => one.tasks);
  const grid = el("div", { class: "plots" });
  const holders = [["novelty of the tasks of each stretch", "novelty"], ["share of them that was accepted", "accepted"]].map(([label, name]) => {
    const holder = el("figure", {}, el("figcaption", {}, label));
    grid.append(holder);
    return [holder, name];
  });
  box.append(grid);
  holders.forEach(([holder, name], place) => keep(holder, () => drawLines(holder, [{ label: name, xs: ends, values: all.map((one) => one[name]), shade: `--c${place * 2}` }], { x: "tasks that have ended", y: place ? "share accepted" : "novelty", top: 1.02 })));
  const rows = data.novelty.map((one) => {
    const last = one.points.findLast((point) => point.novelty !== null);
    const first = one.points.find((point) => point.novelty !== null);
    return [one.name, whole.format(one.tasks), whole.format(one.accepted), num(first?.novelty), num(last?.novelty), measure(last?.novelty ?? 0, null, null)];
  });
  box.append(table([["cell"], ["tasks", "n"], ["accepted", "n"], ["first", "n"], ["newest", "n"], ["newest novelty", "bar"]], rows));
  close();
}

/** Draws now, and anew when the window or the colours change. */
function keep(holder, make) {
  let chart = make();
  plots.push(() => {
    chart.destroy();
    chart = make();
  });
}

function distributions() {
  const names = Object.keys(side.distributions);
  if (!names.length) return;
  const { box } = panel("Distributions of accepted items", { wide: true, lead: "what lies above the 99th percentile is in the last bar" });
  const grid = el("div", { class: "plots" });
  box.append(grid);
  const holders = names.map((name) => {
    const shown = sets.map((set) => ({ ...set, one: set.told.distributions[name] })).filter(({ one }) => one);
    const { unit, whole: ints } = shown[0].one;
    const told = shown.map(({ one, label }) => `${shown.length > 1 ? `${label} ` : ""}median ${num(one.median)}, 5% to 95%: ${num(one.p5)} to ${num(one.p95)}, n\u00a0${whole.format(one.n)}`);
    const holder = figure(grid, `${words(name)}: ${told.join("; ")}`);
    const bars = shown.map(({ one, label, shade: of }) => ({ label, shade: of, bars: shown.length > 1 ? one.bars.map(([from, to, count]) => [from, to, (100 * count) / one.n]) : one.bars }));
    return [holder, bars, { x: unit, y: shown.length > 1 ? "% of items" : "items", whole: ints }];
  });
  // Once all stand in their columns: one drawn before would be as wide as the room that it had alone.
  holders.forEach(([holder, bars, told]) => keep(holder, () => drawBars(holder, bars, told)));
  if (sets.length > 1) box.append(setKey());
}

/** Which colour is which; nothing of one line alone. */
function key(lines) {
  if (lines.length < 2) return "";
  return el("ul", { class: "legend", "aria-label": "Colours" }, ...lines.map(({ label, shade: of, dash }) => {
    const dot = el("i", { class: dash ? "dash" : "" });
    dot.style.color = `var(${of})`;
    return el("li", {}, dot, label);
  }));
}

const setKey = () => key(sets.map(({ told, label, shade: of }) => ({ label: `${label}: ${told.name}`, shade: of })));

/** Both values of a figure on a scale of their own, with their intervals. */
function pair(row) {
  const both = [row.here, row.there];
  const ends = both.flatMap((one) => [one.value, one.low, one.high]).filter((value) => value !== null && value !== undefined);
  if (!ends.length) return "";
  const low = Math.min(...ends);
  const wide = Math.max(...ends) - low || 1;
  const at = (value) => `${4 + (92 * (value - low)) / wide}%`;
  const box = el("span", { class: "pair", "aria-hidden": "true" });
  both.forEach((one, place) => {
    if (one.value === null) return;
    const line = el("b", { class: place ? "there" : "here" });
    line.style.left = at(one.low ?? one.value);
    line.style.width = `${(92 * ((one.high ?? one.value) - (one.low ?? one.value))) / wide}%`;
    const dot = el("i", { class: place ? "there" : "here" });
    dot.style.left = at(one.value);
    box.append(line, dot);
  });
  return box;
}

function cells() {
  for (const [name, rows] of Object.entries(side.cells)) {
    if (rows.length < 2) continue;
    const { box, close } = panel(`Cells: ${words(name)}`, { lead: "accepted of what was tried; with the 95% interval" });
    const shown = rows.map((row) => [row.cell, whole.format(row.accepted), whole.format(row.tried), measure(row.share, row.low, row.high), `${num(100 * row.share)}%`]);
    box.append(table([["cell"], ["accepted", "n"], ["tried", "n"], ["of tried", "bar"], ["share", "n"]], shown));
    close();
  }
}

function beside() {
  if (!data.against) return;
  const { box, mark, close } = panel(`Side by side: ${side.name} and ${data.against.name}`, { wide: true, lead: "dots are values, lines their 95% intervals; each row has a scale of its own" });
  box.querySelector("h2").append(mark(data.footnotes.difference) || "");
  box.append(setKey());
  const rows = data.beside.map((row) => [
    [words(row.name), mark(data.footnotes[row.name]), mark(row.here.note || row.there.note), mark(row.difference.note)].filter(Boolean),
    pair(row),
    `${num(row.here.value)} ${row.here.value === null ? "" : row.unit}`, interval(row.here),
    num(row.there.value), interval(row.there),
    num(row.difference.value), interval(row.difference),
    el("span", { class: "more" }, row.differs),
  ]);
  box.append(table([["figure"], ["both", "both"], ["here", "n"], ["95%", "n"], ["there", "n"], ["95%", "n"], ["difference", "n"], ["95%", "n"], ["here is"]], rows));
  close();
}

function contamination() {
  const found = data.contamination;
  if (!found) return;
  const { box, mark, close } = panel("Contamination", { wide: true, lead: found.notes.join("; ") });
  const rows = found.figures.map((one) => [[one.name, mark(data.footnotes[one.name]), mark(one.note)].filter(Boolean), one.value === null ? "–" : `${num(one.value)} ${one.unit}`, interval(one), whole.format(one.n)]);
  box.append(table([["figure"], ["value", "n"], ["95% interval", "n"], ["n", "n"]], rows));
  if (found.matches.length) {
    const spans = found.matches.map((one) => [one.item, `${one.place || "text"}[${one.start}:${one.end}]`, one.set, `${one.row} ${one.column}[${one.row_start}:${one.row_end}]`, num(one.score), one.quote]);
    box.append(el("h3", {}, `Matches${found.cut || found.listed > spans.length ? `, the first ${spans.length}` : ""}`), table([["item"], ["span"], ["set"], ["row"], ["score", "n"], ["quote"]], spans));
  }
  close();
}

function selections() {
  for (const one of data.selections) {
    const { box, mark, close } = panel(`Selection: ${one.strategy}`, { lead: `${whole.format(one.chosen)} of ${whole.format(one.of)} accepted items, seed ${one.seed}` });
    box.querySelector("h2").append(mark(data.footnotes.selection));
    box.append(table([["figure"], ["chosen", "n"], ["at random", "n"], ["95% of draws", "n"]], one.figures.map((row) => [[words(row.name), mark(data.footnotes[row.name])].filter(Boolean), num(row.chosen), num(row.random), interval({ low: row.random_low, high: row.random_high })])));
    close();
  }
}

/** Panels one below the other in a column of their own, so that a tall neighbour leaves no hole. */
function stacked(...makers) {
  const content = document.getElementById("content");
  const before = content.children.length;
  makers.forEach((make) => make());
  const made = [...content.children].slice(before);
  if (made.length) content.append(el("div", { class: "stack" }, ...made));
}

const of = (...names) => side.parts.filter((part) => names.includes(part.name) && part.figures.length).map((part) => () => figures(part));

head();
beside();
map();
stacked(...of("yield"), reasons, ...of("difficulty", "drift"));
stacked(...of("cost", "coverage"));
stacked(...of("diversity"));
stacked(cells, selections);
novelty();
distributions();
contamination();

document.querySelectorAll("#content table").forEach((one) => {
  const name = one.closest("section").querySelector("h2").firstChild.textContent;
  one.setAttribute("aria-label", name);
  one.parentElement.setAttribute("aria-label", `Table: ${name}`);
});

let waiting = 0;
const again = () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => plots.forEach((draw) => draw()), 60);
};
addEventListener("resize", again);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
addEventListener("beforeprint", () => plots.forEach((draw) => draw()));
document.documentElement.dataset.ready = "";

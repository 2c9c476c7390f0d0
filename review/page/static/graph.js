// The graph of the page as it was written, and what is filtered, unfolded and chosen of it.
"use strict";

const DRAWN = 5000; // entities that are drawn at once; of more, communities come first and open by a click

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const folded = (text) => text.normalize("NFKC").toLowerCase();

const links = (() => {
  const found = new Map();
  for (const edge of data.edges) {
    if (edge.s === edge.o) continue;
    const key = edge.s < edge.o ? `${edge.s} ${edge.o}` : `${edge.o} ${edge.s}`;
    found.set(key, (found.get(key) || 0) + edge.w);
  }
  return [...found].map(([key, weight]) => [...key.split(" ").map(Number), weight]);
})();
const { place, discs } = layOut(data.nodes, data.groups, links);
const near = data.nodes.map(() => []);
for (const [left, right] of links) {
  near[left].push(right);
  near[right].push(left);
}
const edgesOf = data.nodes.map(() => []);
for (const edge of data.edges) {
  edgesOf[edge.s].push(edge);
  if (edge.o !== edge.s) edgesOf[edge.o].push(edge);
}
edgesOf.forEach((edges) => edges.sort((one, other) => other.w - one.w));
const searched = data.nodes.map((node) => [node.n, ...node.a].map(folded));
const labels = data.nodes.map((node) => short(node.n));
const titles = data.groups.map((group) => {
  if (group.every((number) => !near[number].length)) return "Joined to nothing else";
  const ranked = [...group].sort((one, other) => data.nodes[other].x - data.nodes[one].x || one - other);
  return ranked.slice(0, 2).map((number) => labels[number]).join(", ");
});

const heads = titles.map((title) => title.split(", ")[0]);
const many = data.nodes.length > DRAWN;
const open = new Set(many ? [] : data.groups.map((_, number) => number));
let chosen = null;
let passing = data.nodes.map(() => true);
let colour = "group";

// The picture: nodes and lines of a part of the graph, in the colours of the legend. It knows no addresses.
"use strict";

const WORDS = 26; // characters of a label
const SMALL = [6, 12]; // pixels across, when the whole part is in view; fewer nodes may be larger
const LARGE = [22, 44];
const HOT = 120; // how far a node may move in the first round of a layout
const FIRST = 20; // nodes whose labels may lie over others
const CLOSE = 1.7; // times as near as the view of the whole: there every node shows its label
const LETTERS = 11; // pixels, likewise
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu; // control and direction characters could reorder the labels beside them

export const short = (name) => {
  const line = name.replace(HIDDEN, " ").replace(/\s+/g, " ").trim();
  const letters = [...line];
  return letters.length > WORDS ? `${letters.slice(0, WORDS - 1).join("")}…` : line;
};

/** Returns the picture in `box`; `on` has open(id), join(left, right), and expand(id). */
export function makePicture(box, on) {
  const cy = window.cytoscape({
    container: box,
    style: styles(),
    minZoom: 0.08,
    maxZoom: 4,
    boxSelectionEnabled: false,
    selectionType: "single",
    hideEdgesOnViewport: false,
    textureOnViewport: false,
  });
  cy.on("tap", "node", (event) => on.open(event.target.id()));
  cy.on("tap", "edge", (event) => on.join(event.target.data("source"), event.target.data("target")));
  cy.on("dbltap", "node", (event) => on.expand(event.target.id()));
  for (const [event, change] of [["mouseover", "addClass"], ["mouseout", "removeClass"]]) {
    cy.on(event, "node, edge", ({ target }) => target[change]("near"));
  }
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => cy.style(styles()));
  new ResizeObserver(() => cy.resize()).observe(box);
  let by = "degree";
  let unit = 1; // of the picture's own lengths in a pixel of the view that shows all of a part

  const resize = () => {
    const most = Math.max(1, ...cy.nodes().map((node) => node.data(by)));
    const room = Math.sqrt((cy.width() * cy.height()) / Math.max(1, cy.nodes().length)); // of each, if all had the same
    const small = within(room * 0.14, SMALL);
    const large = within(room * 0.5, LARGE);
    const wide = (node) => small + (large - small) * Math.sqrt(node.data(by) / most);
    const opacity = within(150 / Math.max(1, cy.edges().length), [0.2, 0.6]); // many lines are fainter
    cy.batch(() => {
      cy.nodes().forEach((node) => node.data({ size: unit * wide(node), letters: unit * LETTERS, ring: unit * 1.5 }));
      cy.edges().forEach((line) => line.data({ width: unit * line.data("thick"), opacity, letters: unit * LETTERS }));
    });
    name(cy, unit);
  };

  let close = false;
  cy.on("zoom", () => {
    const now = cy.zoom() * unit > CLOSE;
    if (now !== close) cy.batch(() => cy.nodes().toggleClass("close", now));
    close = now;
  });

  return {
    cy,
    has: (id) => cy.getElementById(id).nonempty(),
    /** Shows a part instead of what was there. */
    show(part, sizeBy) {
      by = sizeBy;
      cy.elements().remove();
      close = false;
      cy.add(elements(part, spiral(part.nodes.length)));
      unit = 1;
      resize();
      arrange(cy);
      cy.viewport(whole(cy));
      unit = 1 / Math.min(cy.zoom(), 1.2);
      resize();
      separate(cy, unit * 3);
      name(cy, unit);
      cy.viewport(whole(cy));
    },
    /** Adds a part around an entity that is there, and leaves what is there in its place; returns how many are new. */
    grow(part, id) {
      const old = cy.nodes();
      const fresh = part.nodes.filter((node) => cy.getElementById(node.id).empty());
      const places = ring(cy, cy.getElementById(id), fresh.length);
      const at = new Map(fresh.map((node, number) => [node.id, places[number]]));
      const made = elements(part, part.nodes.map((node) => at.get(node.id)));
      const added = cy.add(made.filter((one) => cy.getElementById(one.data.id).empty()));
      resize();
      if (fresh.length) {
        old.lock();
        arrange(cy);
        old.unlock();
        separate(cy, unit * 3);
        name(cy, unit);
        cy.animate({ fit: { eles: cy.getElementById(id).closedNeighborhood(), padding: 40 } }, { duration: calm(250) });
      }
      return added.nodes().length;
    },
    /** Puts the new numbers on the entities that are shown. */
    update(nodes) {
      cy.batch(() => nodes.forEach((node) => cy.getElementById(node.id).data("level", node.level)));
    },
    size(sizeBy) {
      by = sizeBy;
      resize();
    },
    /** Marks an entity, or a line of two, and brings it into view. */
    choose(id, otherId) {
      cy.elements().unselect();
      let found = cy.getElementById(id);
      if (otherId) found = cy.getElementById(id).edgesWith(cy.getElementById(otherId));
      if (found.empty()) return;
      found.select();
      const { x1, y1, x2, y2 } = cy.extent();
      const { x1: left, y1: top, x2: right, y2: bottom } = found.boundingBox();
      if (left < x1 || right > x2 || top < y1 || bottom > y2) {
        cy.animate({ center: { eles: found } }, { duration: calm(250) });
      }
    },
    zoom(factor) {
      cy.zoom({ level: cy.zoom() * factor, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });
    },
    fit: () => cy.animate(whole(cy), { duration: calm(250) }),
  };
}

/** The view that holds all nodes. Labels do not count: most are not shown, and long ones would make the rest small. */
function whole(cy) {
  if (cy.nodes().empty()) return { zoom: 1, pan: { x: 0, y: 0 } };
  const { x1, y1, x2, y2 } = cy.nodes().boundingBox({ includeLabels: false });
  const fits = Math.min((cy.width() - 70) / (x2 - x1), (cy.height() - 50) / (y2 - y1));
  const zoom = within(fits, [cy.minZoom(), 1.5]);
  return { zoom, pan: { x: (cy.width() - zoom * (x1 + x2)) / 2, y: (cy.height() - zoom * (y1 + y2)) / 2 } };
}

const calm = (milliseconds) => (matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : milliseconds);

/** Pushes nodes apart that lie on each other, until there are `gap` between them or it has been tried often enough. */
function separate(cy, gap) {
  const all = cy.nodes().map((node) => ({ node, ...node.position(), half: node.data("size") / 2 }));
  for (let round = 0; round < 60; round += 1) {
    let moved = false;
    for (let one = 0; one < all.length; one += 1) {
      for (let two = one + 1; two < all.length; two += 1) {
        const [a, b] = [all[one], all[two]];
        const [x, y] = [b.x - a.x || 0.01 * (one + 1), b.y - a.y || 0.01];
        const far = Math.hypot(x, y);
        const missing = (a.half + b.half + gap - far) / 2;
        if (missing <= 0.01) continue;
        moved = true;
        a.x -= (x / far) * missing;
        a.y -= (y / far) * missing;
        b.x += (x / far) * missing;
        b.y += (y / far) * missing;
      }
    }
    if (!moved) break;
  }
  cy.batch(() => all.forEach(({ node, x, y }) => node.position({ x, y })));
}

/** Gives their labels to those nodes that have room for them, large ones first; the others show theirs when near. */
function name(cy, unit) {
  const discs = cy.nodes().map((node) => {
    const { x, y } = node.position();
    const half = node.data("size") / 2;
    return [x - half, y - half, x + half, y + half];
  });
  const taken = [];
  const ordered = cy.nodes().sort((one, other) => other.data("size") - one.data("size"));
  cy.batch(() => {
    for (const [rank, node] of ordered.toArray().entries()) {
      const { x, y } = node.position();
      const half = (unit * LETTERS * 0.3 * node.data("label").length) + unit * 2;
      const top = y + node.data("size") / 2;
      const mine = [x - half, top, x + half, top + unit * LETTERS * 1.5];
      const meets = (one) => mine[0] < one[2] && one[0] < mine[2] && mine[1] < one[3] && one[1] < mine[3];
      const free = !taken.some(meets) && (rank < FIRST || !discs.some(meets));
      node.toggleClass("named", free);
      if (free) taken.push(mine);
    }
  });
}

const within = (value, [least, most]) => Math.max(least, Math.min(most, value));

const lineId = (left, right) => `${left} ${right}`;

function elements(part, places) {
  const nodes = part.nodes.map((node, number) => ({
    group: "nodes",
    data: { ...node, label: short(node.name), size: SMALL[0], letters: LETTERS, ring: 1 },
    position: { ...places[number] },
  }));
  const lines = part.links.map(([left, right, type, relations, weight]) => ({
    group: "edges",
    data: {
      id: lineId(part.nodes[left].id, part.nodes[right].id),
      source: part.nodes[left].id,
      target: part.nodes[right].id,
      label: short(type) + (relations > 1 ? ` +${relations - 1}` : ""),
      thick: Math.min(4, 0.8 + 0.4 * Math.log2(Math.max(1, weight))),
      width: 1,
      opacity: 0.5,
      letters: LETTERS,
    },
  }));
  return [...nodes, ...lines];
}

/** Where a layout begins: the first in the middle, the others around it as the seeds of a sunflower; never by chance. */
function spiral(count) {
  return Array.from({ length: count }, (_, number) => {
    const angle = number * 2.399963; // the golden angle
    const away = 42 * Math.sqrt(number);
    return { x: away * Math.cos(angle), y: away * Math.sin(angle) };
  });
}

/** Places around a node, on the side that faces away from the middle of the picture. */
function ring(cy, node, count) {
  const { x, y } = node.position();
  const box = cy.nodes().boundingBox();
  const out = Math.atan2(y - (box.y1 + box.y2) / 2, x - (box.x1 + box.x2) / 2);
  return Array.from({ length: count }, (_, number) => {
    const angle = out + (number / Math.max(1, count - 1) - 0.5) * Math.PI * 1.5;
    const away = 110 + 50 * (number % 3);
    return { x: x + away * Math.cos(angle), y: y + away * Math.sin(angle) };
  });
}

function arrange(cy) {
  const rounds = within(50000 / Math.max(1, cy.nodes().length), [100, 500]); // a second at most
  cy.layout({
    name: "cose",
    randomize: false, // the same part looks the same each time
    animate: false,
    fit: false,
    numIter: Math.round(rounds),
    initialTemp: HOT,
    minTemp: 1,
    coolingFactor: HOT ** (-1 / rounds), // it comes to rest in the last round
    nodeRepulsion: () => 40000,
    nodeOverlap: 20,
    idealEdgeLength: () => 50,
    edgeElasticity: () => 100,
    gravity: 0.8,
    componentSpacing: 40,
    nodeDimensionsIncludeLabels: false,
  }).run();
}

/** The colours as the page has them now: a style sheet's variables have no value of their own, drawn elements have. */
function styles() {
  const page = getComputedStyle(document.body);
  const frame = getComputedStyle(document.getElementById("graph-picture"));
  const line = getComputedStyle(document.querySelector(".graph-legend svg circle")).stroke;
  const text = page.color;
  const ground = frame.backgroundColor;
  const levels = [...document.querySelectorAll("#graph-legend [data-level]")].map((swatch) => {
    const drawn = getComputedStyle(swatch);
    const marked = ["never", "lost"].includes(swatch.dataset.level);
    return {
      selector: `node[level = "${swatch.dataset.level}"]`,
      style: {
        "background-color": drawn.backgroundColor,
        "border-color": drawn.borderTopColor,
        "border-width": marked ? "mapData(ring, 0, 100, 0, 150)" : "data(ring)",
        "border-style": swatch.dataset.level === "never" ? "dashed" : "solid",
        shape: swatch.dataset.level === "lost" ? "diamond" : "ellipse",
      },
    };
  });
  return [
    {
      selector: "node",
      style: {
        width: "data(size)",
        height: "data(size)",
        label: "data(label)",
        color: text,
        "font-size": "data(letters)",
        "font-family": page.fontFamily,
        "text-valign": "bottom",
        "text-margin-y": 2,
        "text-outline-color": ground,
        "text-outline-width": 2,
        "text-opacity": 0,
      },
    },
    { selector: "node.named, node.close", style: { "text-opacity": 1 } },
    { selector: "node.named", style: { "z-index": 5 } },
    ...levels,
    {
      selector: "edge",
      style: {
        width: "data(width)",
        "line-color": line,
        "line-opacity": "data(opacity)",
        "curve-style": "haystack",
        "haystack-radius": 0,
      },
    },
    { selector: "node.near", style: { "z-index": 9, "text-opacity": 1, "font-weight": "bold" } },
    {
      selector: "edge.near, edge:selected",
      style: {
        label: "data(label)",
        color: text,
        "font-size": "data(letters)",
        "text-outline-color": ground,
        "text-outline-width": 3,
        "line-opacity": 1,
        "z-index": 8,
      },
    },
    {
      selector: "node:selected",
      style: {
        "outline-width": 4,
        "outline-offset": 2,
        "outline-color": getComputedStyle(document.getElementById("graph-size")).outlineColor,
        "outline-opacity": 1,
        "text-opacity": 1,
        "font-weight": "bold",
        "z-index": 10,
      },
    },
  ];
}

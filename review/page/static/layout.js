// Where everything stands: communities as discs beside each other, entities within theirs. Never by chance.
"use strict";

const GOLDEN = 2.399963; // radians; seeds of a sunflower
const ROUNDS = 70;
const WIDE = 1.15; // a picture is wider than high
const APART = 24; // between two entities

/** Gives each node x, y and size, each group x, y and r. `links` are [left, right, weight]. */
function layOut(nodes, groups, links) {
  const most = Math.max(1, ...nodes.map((node) => node.x));
  const place = nodes.map((node) => ({ x: 0, y: 0, size: 3 + 9 * Math.sqrt(node.x / most), group: 0 }));
  groups.forEach((group, number) => {
    const ranked = [...group].sort((one, other) => nodes[other].x - nodes[one].x || one - other);
    ranked.forEach((node, rank) => {
      const far = APART * 0.62 * Math.sqrt(rank + 0.5);
      Object.assign(place[node], { x: far * Math.cos(rank * GOLDEN), y: far * Math.sin(rank * GOLDEN), group: number });
    });
  });
  const inner = links.filter(([left, right]) => place[left].group === place[right].group);
  settle(place, inner, groups.length);
  const discs = groups.map((group) => ({
    r: 16 + Math.max(...group.map((node) => Math.hypot(place[node].x, place[node].y) + place[node].size)),
    size: group.length,
    x: 0,
    y: 0,
  }));
  pack(discs, between(place, links));
  place.forEach((one) => {
    one.x += discs[one.group].x;
    one.y += discs[one.group].y;
  });
  return { place, discs };
}

/** Moves entities about their community's middle: joined ones together, all others apart, in rounds that calm down. */
function settle(place, links, groups) {
  const count = place.length;
  const [dx, dy] = [new Float64Array(count), new Float64Array(count)];
  const cell = APART * 2;
  for (let round = 0; round < ROUNDS; round += 1) {
    const heat = 9 * (1 - round / ROUNDS);
    dx.fill(0);
    dy.fill(0);
    const cells = new Map();
    for (let one = 0; one < count; one += 1) {
      const { x, y, group } = place[one];
      const key = ((Math.floor(x / cell) + 2048) * 4096 + Math.floor(y / cell) + 2048) * groups + group;
      if (!cells.has(key)) cells.set(key, []);
      cells.get(key).push(one);
    }
    for (const [key, members] of cells) {
      for (const [across, down] of [[0, 0], [1, -1], [1, 0], [1, 1], [0, 1]]) {
        const others = across || down ? cells.get(key + (across * 4096 + down) * groups) : members;
        if (others) push(place, members, others, dx, dy, cell);
      }
    }
    for (const [left, right] of links) {
      const [x, y] = [place[right].x - place[left].x, place[right].y - place[left].y];
      const far = Math.hypot(x, y) || 0.01;
      const pull = (0.06 * (far - APART * 1.6)) / far;
      dx[left] += x * pull;
      dy[left] += y * pull;
      dx[right] -= x * pull;
      dy[right] -= y * pull;
    }
    for (let one = 0; one < count; one += 1) {
      const spot = place[one];
      const [x, y] = [dx[one] - spot.x * 0.01, dy[one] - spot.y * 0.01];
      const far = Math.hypot(x, y);
      const step = far > heat ? heat / far : 1;
      spot.x += x * step;
      spot.y += y * step;
    }
  }
}

function push(place, members, others, dx, dy, reach) {
  for (let i = 0; i < members.length; i += 1) {
    for (let j = others === members ? i + 1 : 0; j < others.length; j += 1) {
      const [one, other] = [members[i], others[j]];
      const [a, b] = [place[one], place[other]];
      const [x, y] = [b.x - a.x || 0.01 * (i + 1), b.y - a.y || 0.01];
      const far = Math.hypot(x, y);
      const near = Math.max(reach * 0.75, a.size + b.size + 6);
      if (far >= near) continue;
      const strong = (0.35 * (near - far)) / far;
      dx[one] -= x * strong;
      dy[one] -= y * strong;
      dx[other] += x * strong;
      dy[other] += y * strong;
    }
  }
}

/** How strongly groups are joined, by group: a map of others. */
function between(place, links) {
  const found = new Map();
  for (const [left, right, weight] of links) {
    const [a, b] = [place[left].group, place[right].group];
    if (a === b) continue;
    for (const [one, other] of [[a, b], [b, a]]) {
      if (!found.has(one)) found.set(one, new Map());
      found.get(one).set(other, (found.get(one).get(other) || 0) + weight);
    }
  }
  return found;
}

/** Places discs beside each other: the largest in the middle, each next one by those that it is joined to. */
function pack(discs, joined) {
  const lonely = (number) => Number(!joined.has(number)); // what joins nothing stands around the rest
  const order = discs.map((_, number) => number);
  order.sort((a, b) => lonely(a) - lonely(b) || discs[b].r - discs[a].r || a - b);
  const cell = Math.max(60, (order.length ? discs[order[Math.floor(order.length / 2)]].r : 0) * 2);
  const grid = new Map();
  const free = (x, y, r) => {
    const reach = r + 14; // a disc stands in every cell that it touches, so that the largest is not looked for afar
    for (let i = Math.floor((x - reach) / cell); i <= Math.floor((x + reach) / cell); i += 1) {
      for (let j = Math.floor((y - reach) / cell); j <= Math.floor((y + reach) / cell); j += 1) {
        for (const disc of grid.get(`${i} ${j}`) || []) {
          if (Math.hypot(disc.x - x, disc.y - y) < disc.r + r + 14) return false;
        }
      }
    }
    return true;
  };
  const done = new Set();
  let crowded = 0; // how far out there was no room any more for a small one that nothing draws anywhere
  for (const number of order) {
    const disc = discs[number];
    let [x, y, weight] = [0, 0, 0];
    for (const [other, strong] of joined.get(number) || []) {
      if (!done.has(other)) continue;
      x += discs[other].x * strong;
      y += discs[other].y * strong;
      weight += strong;
    }
    [x, y] = weight ? [x / weight, y / weight] : [0, 0];
    const step = Math.max(6, disc.r * 0.35);
    for (let turn = weight ? 0 : crowded; ; turn += 1) {
      const far = step * 0.55 * Math.sqrt(turn);
      const [px, py] = [x + WIDE * far * Math.cos(turn * GOLDEN), y + (far / WIDE) * Math.sin(turn * GOLDEN)];
      if (!free(px, py, disc.r)) continue;
      [disc.x, disc.y] = [px, py];
      if (!weight) crowded = Math.max(0, Math.floor(turn * 0.8));
      break;
    }
    for (let i = Math.floor((disc.x - disc.r) / cell); i <= Math.floor((disc.x + disc.r) / cell); i += 1) {
      for (let j = Math.floor((disc.y - disc.r) / cell); j <= Math.floor((disc.y + disc.r) / cell); j += 1) {
        const key = `${i} ${j}`;
        if (!grid.has(key)) grid.set(key, []);
        grid.get(key).push(disc);
      }
    }
    done.add(number);
  }
}

"use strict";
// What the filters leave, as bench/points.py and pages/ui/filtering.py have it (a test holds the
// two together), and where labels go. Pure: neither the page nor the chart is known here.

// Fastest first; frontier and lead of each point among these, and whether its family's line runs
// through it.
function ranked(points) {
  const order = points.slice().sort((a, b) =>
    a.seconds - b.seconds || b.top1 - a.top1 || (a.model < b.model ? -1 : 1));
  let last = null, highest = -Infinity;
  const highestOf = new Map();
  for (const p of order) {
    p.line = p.top1 > (highestOf.get(p.family) ?? -Infinity);
    if (p.line) highestOf.set(p.family, p.top1);
    const twin = last && last.seconds === p.seconds && last.top1 === p.top1;
    p.frontier = p.top1 > highest || Boolean(twin && last.frontier);
    highest = Math.max(highest, p.top1);
    last = p;
  }
  // The best so far, and the best so far of any other family than that one's.
  let best = -Infinity, family = null, second = -Infinity;
  for (let start = 0, end = 0; start < order.length; start = end) {
    for (; end < order.length && order[end].seconds === order[start].seconds; end++) {
      const p = order[end];
      if (p.family === family) best = Math.max(best, p.top1);
      else if (p.top1 > best) [best, family, second] = [p.top1, p.family, best];
      else second = Math.max(second, p.top1);
    }
    for (const p of order.slice(start, end)) {
      let rival = p.family === family ? second : best;
      if (rival === -Infinity) rival = order.find(other => other.family !== p.family)?.top1;
      p.lead = rival === undefined ? null : p.top1 - rival;
    }
  }
  return order;
}

// The first of each kind, in the order of `compare`; the result in the order of points.
function firstOfEach(points, kind, compare) {
  const firsts = new Map();
  for (const p of points.slice().sort(compare)) {
    if (!firsts.has(kind(p))) firsts.set(kind(p), p);
  }
  const kept = new Set(firsts.values());
  return points.filter(p => kept.has(p));
}

const byName = (a, b) => (a.model < b.model ? -1 : a.model > b.model ? 1 : 0);
const byTop1 = (a, b) => b.top1 - a.top1 || a.seconds - b.seconds || byName(a, b);
const CRITERIA = {
  "trade-off": (a, b) => (b.lead ?? -Infinity) - (a.lead ?? -Infinity) || byTop1(a, b),
  accurate: byTop1,
  fastest: (a, b) => a.seconds - b.seconds || byTop1(a, b),
};

const speedOf = p => JSON.stringify([p.architecture, p.image_size]);

function mostAccurateWeights(points) {
  return firstOfEach(points, speedOf, (a, b) => b.top1 - a.top1 || byName(a, b));
}

// Which models count is settled first, then frontier and lead are computed, then the best of each
// family is taken, then the budget cuts. emptiedBy names the filter that left nothing.
function filtered(points, asked) {
  let emptiedBy = null;
  const through = (left, steps) => steps.reduce((before, [name, step]) => {
    const after = step(before);
    if (before.length && !after.length) emptiedBy = name;
    return after;
  }, left);
  const among = (key, wanted) => p => !wanted.size || wanted.has(String(p[key] ?? asked.unknown));
  const counting = ranked(through(points, [
    ["Estimates", all => all.filter(p => asked.estimates || !p.estimated)],
    ["Families", all => all.filter(among("family", asked.families))],
    ["Image sizes", all => all.filter(among("image_size", asked.size))],
    ["Pretraining data", all => all.filter(among("pretraining", asked.pretraining))],
    ["Commercial use", all => all.filter(among("commercial_use", asked.commercial_use))],
    ["Parameters to (M)", all => all.filter(p => asked.max_params === null
      || (p.parameters_m !== null && p.parameters_m <= asked.max_params))],
  ]));
  const sharing = new Map();
  for (const p of counting) sharing.set(speedOf(p), (sharing.get(speedOf(p)) ?? 0) + 1);
  for (const p of counting) p.others = sharing.get(speedOf(p)) - 1;
  const budget = [
    ["Slowest (ms)", all => all.filter(p => p.seconds <= asked.max_s)],
    ["Top-1 from (%)", all => all.filter(p => p.top1 >= asked.min_top1)],
  ];
  const best = all => (asked.show
    ? firstOfEach(all.filter(p => !p.test), p => p.family, CRITERIA[asked.show]) : all);
  const shown = through(counting, [["Best of each family", best], ...budget]);
  const named = emptiedBy;
  const frontier = through(counting.filter(p => p.frontier), budget);
  const lines = through(counting.filter(p => p.line), budget);
  return { shown, frontier, lines, emptiedBy: named };
}

// Label rows, the first ones first: no two labels overlap, none leaves the plot, none lies on a
// crowd of points. Each row gains label, label_align, label_dx and label_dy.
function placeLabels(rows, order, { x, y, width, height, measure, limits }) {
  for (const row of rows) {
    Object.assign(row, { label: "", label_align: "left", label_dx: 0, label_dy: 0 });
  }
  const dots = rows.filter(row => row.shown).map(row => [x(row.seconds), y(row.top1)]);
  const taken = [], named = new Set();
  for (const row of order) {
    const name = row.model.split(".")[0];
    if (taken.length === limits.labels || named.has(name)) continue;
    const length = measure(name), left = x(row.seconds), top = y(row.top1);
    for (const [align, dx, dy] of [["right", -7, -8], ["left", 7, 12], ["left", 7, -8]]) {
      const start = left + dx - (align === "right" ? length : 0), base = top + dy;
      const box = [start, base - limits.font_size, start + length, base + 3];
      const inside = box[0] >= 0 && box[1] >= 0 && box[2] <= width && box[3] <= height;
      const under = dots.filter(([a, b]) => a > box[0] && a < box[2] && b > box[1] && b < box[3]);
      const crowded = under.length > limits.hidden_points && !row.hit;
      const collides = taken.some(other => box[0] < other[2] && other[0] < box[2]
        && box[1] < other[3] && other[1] < box[3]);
      if (!inside || crowded || collides) continue;
      taken.push(box);
      named.add(name);
      Object.assign(row, { label: name, label_align: align, label_dx: dx, label_dy: dy });
      break;
    }
  }
}

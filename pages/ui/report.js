"use strict";
// The page: a form whose state is in the address, a chart and a table that follow it. Text from the
// data only ever becomes text (textContent), never markup.

const page = JSON.parse(document.getElementById("data").textContent);
const form = document.getElementById("filters");
const chart = document.getElementById("chart");
const choices = [...form.querySelectorAll(".choice")]; // of which any number may be ticked
const dark = matchMedia("(prefers-color-scheme: dark)");
const still = document.getElementById("sentence").cloneNode(true);

// A column is a list, or one value for all.
const points = Array.from({ length: page.length }, (_, i) => Object.fromEntries(
  Object.entries(page.points).map(([name, c]) => [name, Array.isArray(c) ? c[i] : c.all])));

let view = null, picked = null, left = null, pause = 0;
let sort = { key: "top1_percent", down: true };

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// The form

function asked() {
  const form_data = new FormData(form);
  const number = name => (form_data.get(name).trim() === "" ? null : Number(form_data.get(name)));
  return {
    show: form_data.get("show"),
    search: form_data.get("search").trim().toLowerCase(),
    max_s: (number("max_ms") || Infinity) / 1e3,
    min_top1: number("min_top1") ?? -Infinity,
    max_params: number("max_params") || null,
    estimates: form_data.get("estimates") !== "no",
    unknown: page.unknown,
    ...Object.fromEntries(choices.map(({ dataset }) =>
      [dataset.name, new Set(form_data.getAll(dataset.name))])),
  };
}

function state() {
  return new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== "")).toString();
}

function setForm(text) {
  const wanted = new URLSearchParams(text);
  for (const field of form.elements) {
    if (field.type === "checkbox") field.checked = wanted.getAll(field.name).includes(field.value);
    else if (field.name) field.value = wanted.get(field.name) ?? "";
  }
}

function fillForm() {
  document.getElementById("estimates").hidden = !points.some(p => p.estimated);
  for (const choice of choices) {
    const { name, key } = choice.dataset;
    const present = [...new Set(points.map(p => String(p[key] ?? page.unknown)))].sort((a, b) =>
      (a === page.unknown) - (b === page.unknown) || a.localeCompare(b, "en", { numeric: true }));
    choice.querySelector(".options").append(...present.map(value =>
      element("label", {}, element("input", { type: "checkbox", name, value }),
        element("span", { textContent: value }))));
  }
}

// The chart

function tooltip(handler, event, item, value) {
  const tip = document.getElementById("tooltip");
  tip.hidden = !value;
  if (!value) return;
  const { title, ...figures } = value;
  const pairs = Object.entries(figures).flatMap(([name, figure]) =>
    [element("dt", { textContent: name }), element("dd", { textContent: figure })]);
  tip.replaceChildren(element("strong", { textContent: title ?? "" }), element("dl", {}, ...pairs));
  const { width, height } = tip.getBoundingClientRect();
  const beside = event.clientX + 12 + width < innerWidth ? 12 : -12 - width;
  tip.style.left = `${Math.max(4, event.clientX + beside)}px`;
  tip.style.top = `${Math.max(4, Math.min(event.clientY + 12, innerHeight - height - 4))}px`;
}

// A change of colours makes the view anew; zoom and filters stay.
async function embed() {
  const zoom = view && ["seconds", "top1"].map(field => view.signal(`zoom_${field}`));
  view?.finalize();
  const result = await vegaEmbed(chart, structuredClone(page.specs[dark.matches ? "dark" : "light"]), {
    mode: "vega", ast: true, actions: false, defaultStyle: false, renderer: "canvas", tooltip,
  });
  view = result.view;
  globalThis.VEGA_DEBUG = { view }; // where people look for a Vega view from the console
  view.addEventListener("click", (event, item) => pick(item?.datum?.model ? item.datum : null, true));
  for (const side of ["width", "height"]) view.addSignalListener(side, () => soon(draw));
  if (zoom?.[0]) view.signal("zoom_seconds", zoom[0]).signal("zoom_top1", zoom[1]);
  await draw();
}

const waiting = new Set();
function soon(work) {
  if (waiting.has(work)) return;
  waiting.add(work);
  requestAnimationFrame(() => { waiting.delete(work); work(); });
}

function zoomBy(factor) {
  const scaled = (axis, to, from) => {
    const [low, high] = view.scale(axis).domain().map(to);
    const middle = (low + high) / 2, half = (high - low) / 2 * factor;
    return [from(middle - half), from(middle + half)];
  };
  const same = value => value;
  view.signal("zoom_seconds", factor ? scaled("x", Math.log, Math.exp) : null);
  view.signal("zoom_top1", factor ? scaled("y", same, same) : null);
  view.runAsync();
}

// Where a value lies on the whole chart, in pixels: labels are placed for it and move with a zoom.
function axes() {
  const width = view.signal("width"), height = view.signal("height");
  const [low, high] = page.axes.seconds.map(Math.log), [bottom, top] = page.axes.top1;
  return {
    width, height,
    x: seconds => (Math.log(seconds) - low) / (high - low) * width,
    y: top1 => (top - top1) / (top - bottom) * height,
  };
}

const ruler = document.createElement("canvas").getContext("2d");
ruler.font = `${page.limits.font_size}px sans-serif`;

function chartRows(search, best) {
  const one = all => (best ? all : mostAccurateWeights(all));
  const rows = left.flatMap((set, index) => {
    const shown = one(set.shown), visible = new Set(shown);
    const through = index ? [] : new Set([...one(set.frontier), ...set.lines]);
    const line = [...through].filter(p => !visible.has(p));
    return [...shown.map(p => [p, true]), ...line.map(p => [p, false])];
  }).map(([p, shown]) => ({
    ...p, shown,
    colour: page.colours.includes(p.family) || picks().includes(p.family) ? p.family : page.other,
    frontier: p.frontier && !p.beside,
    line: p.line && !p.beside,
    others: p.others ? `and ${count(p.others, "other")} at this point` : "alone at this point",
    lead: p.lead === null ? page.unknown : `${p.lead < 0 ? "" : "+"}${p.lead.toFixed(1)} points`,
    hit: matches(p, search) || (picked !== null && sameSpeed(p, picked)),
    own_lead: p.lead ?? -99,
  }));
  rows.sort((a, b) => a.hit - b.hit || a.beside - b.beside
    || (b.colour === page.other) - (a.colour === page.other) || b.image_size - a.image_size);
  const order = rows.filter(r => r.shown && (r.hit || ((r.frontier || best) && !r.beside)))
    .sort((a, b) => b.hit - a.hit || b.frontier - a.frontier || b.own_lead - a.own_lead);
  const top = order.reduce((most, r) => (most && most.top1 >= r.top1 ? most : r), null);
  placeLabels(rows, top ? [top, ...order] : order, {
    ...axes(), limits: page.limits, measure: text => ruler.measureText(text).width,
  });
  return rows;
}

const isPicked = p => picked !== null && p.model === picked.model
  && p.image_size === picked.image_size;
const matches = (p, search) => Boolean(search) && p.model.toLowerCase().includes(search);
const sameSpeed = (p, other) => p.image_size === other.image_size
  && p.model.split(".")[0] === other.model.split(".")[0];
// The first families that are picked get a colour of their own, as far as there are colours left.
const picks = () => [...asked().families].filter(f => !page.colours.includes(f)).slice(0, page.spare);

async function draw() {
  const { search, show } = asked();
  const extra = picks();
  const blank = Array.from({ length: page.spare - extra.length }, (_, n) => " ".repeat(n + 1));
  const before = page.colours.slice(0, -3), after = page.colours.slice(-3);
  view.signal("colours", [...before, ...extra, ...blank, ...after]);
  const listed = [...before, ...extra, page.other];
  if (listed.length !== view.signal("coloured").length) view.resize(); // room for the legend
  view.signal("coloured", listed);
  await view.data("points", chartRows(search, show)).runAsync();
}

function pick(point, from_chart) {
  picked = point && isPicked(point) && !from_chart ? null : point;
  soon(draw);
  for (const [p, row] of lines) markPicked(p, row);
  if (!picked || !from_chart) return;
  const row = lines.get(points.find(p => isPicked(p) && p.beside === picked.beside));
  const region = document.getElementById("table");
  soon(() => region.scrollTo({ top: row.tr.offsetTop - region.clientHeight / 3 }));
}

// The table

const lines = new Map(); // point -> its row and the cells that change
const forms = new Map(page.columns.map(({ key, form: options }) =>
  [key, options ? new Intl.NumberFormat("en", options).format : String]));

function shownAs(key, value) {
  if (value === null || value === undefined || value === false) return "";
  return value === true ? "yes" : forms.get(key)(value);
}

function line(p) {
  if (!lines.has(p)) {
    const cells = page.columns.map(({ key, form: options }, index) => {
      if (index) return element("td", { className: options ? "number" : "" });
      const button = element("button", { type: "button", textContent: p.model });
      button.addEventListener("click", () => pick(p, false));
      return element("th", { scope: "row" }, button);
    });
    lines.set(p, { tr: element("tr", {}, ...cells), cells });
    page.columns.forEach(({ key }, index) => {
      if (index) cells[index].textContent = shownAs(key, p[key]);
    });
  }
  const { tr, cells } = lines.get(p);
  page.columns.forEach(({ key }, index) => {
    if (key === "frontier" || key === "lead") cells[index].textContent = shownAs(key, p[key]);
  });
  markPicked(p, lines.get(p));
  return tr;
}

function markPicked(p, { tr, cells }) {
  tr.classList.toggle("picked", isPicked(p));
  cells[0].firstChild.setAttribute("aria-pressed", isPicked(p));
}

function fillHead() {
  document.querySelector("#table thead tr").append(...page.columns.map(({ key, label, form: o }) => {
    const button = element("button", { type: "button", textContent: label });
    button.addEventListener("click", () => {
      sort = { key, down: sort.key === key ? !sort.down : Boolean(o) };
      fillTable();
    });
    const th = element("th", { scope: "col", className: o ? "number" : "" }, button);
    th.dataset.key = key;
    return th;
  }));
}

function fillTable() {
  const { search } = asked();
  const rows = left.flatMap(set => set.shown).filter(p => !search || matches(p, search));
  const compare = (a, b) => {
    const [x, y] = [a[sort.key], b[sort.key]];
    if (x === y) return byName(a, b);
    if (x === null || x === "") return 1; // unknown comes last, whichever way
    if (y === null || y === "") return -1;
    return (x < y ? -1 : 1) * (sort.down ? -1 : 1);
  };
  const made = rows.sort(compare).map(line);
  made.forEach((tr, index) => { tr.querySelector("button").tabIndex = index ? -1 : 0; });
  document.querySelector("#table tbody").replaceChildren(...made);
  for (const th of document.querySelectorAll("#table thead th")) {
    const on = th.dataset.key === sort.key;
    if (on) th.setAttribute("aria-sort", sort.down ? "descending" : "ascending");
    else th.removeAttribute("aria-sort");
  }
  const models = new Set(rows.map(p => p.model)).size;
  const found = search ? ` with “${search}” in the name` : "";
  document.getElementById("status").textContent
    = `${count(models, "model")}${found}, ${count(rows.length, "row")}. `
    + "Press a heading to sort, a model to ring it in the chart.";
}

const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

// One stop of the Tab key for the whole table; arrows go from row to row.
function walk(event) {
  const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  const next = step && event.target.closest("tr")?.[step];
  if (!next) return;
  event.preventDefault();
  const button = next.querySelector("button");
  [event.target.tabIndex, button.tabIndex] = [-1, 0];
  button.focus();
}

// All of it

function say() {
  const sentence = document.getElementById("sentence"), [first] = left;
  if (state() === opening) return sentence.replaceChildren(...still.cloneNode(true).childNodes);
  if (!first.shown.length) return sentence.replaceChildren();
  const best = first.shown.reduce((most, p) => (byTop1(p, most) < 0 ? p : most));
  const models = new Set(first.shown.map(p => p.model)).size;
  const begin = models === 1 ? `The one model shown on ${page.device} is `
    : `Of the ${count(models, "model")} shown, the most accurate on ${page.device} is `;
  sentence.replaceChildren(begin, element("strong", { textContent: best.model }),
    `: ${best.top1.toFixed(1)} % top-1 on ${page.dataset}, ${best.time} an image `
      + `(${best.rate}, ${best.image_size} pixels).${estimatesAmong(first.shown)}`);
}

function estimatesAmong(shown) {
  const measured = shown.filter(p => !p.estimated).length;
  return measured === shown.length ? "" : ` Of the ${count(shown.length, "point")} shown `
    + `${measured.toLocaleString("en")} have a measured speed; the others are estimated from what `
    + "was measured.";
}

function update() {
  const wanted = asked();
  left = page.sets.map((_, index) => filtered(points.filter(p => p.beside === index > 0), wanted));
  const [{ emptiedBy }] = left;
  const empty = document.getElementById("empty");
  empty.hidden = emptiedBy === null;
  empty.textContent = `No model is left: ${emptiedBy} filters out the last one. `
    + "Widen it, or press Reset.";
  for (const choice of choices) {
    const ticked = [...wanted[choice.dataset.name]];
    choice.querySelector("summary span").textContent = ticked.join(", ") || "all";
  }
  // Without a hash the page opens as its maker wanted it; "all" is every filter left blank.
  const hash = state() === opening ? location.pathname : `#${state() || "all"}`;
  history.replaceState(null, "", hash);
  say();
  if (view) soon(draw);
  // 1,600 rows take longer than a key press: the table follows when typing pauses.
  clearTimeout(pause);
  pause = setTimeout(fillTable, lines.size ? 150 : 0);
}

fillForm();
fillHead();
setForm(page.opens);
const opening = state();
if (location.hash.length > 1) setForm(location.hash.slice(1));
update();
form.addEventListener("input", update);
form.addEventListener("submit", event => event.preventDefault());
form.addEventListener("reset", event => { event.preventDefault(); setForm(""); picked = null; update(); });
addEventListener("hashchange", () => { setForm(location.hash.slice(1) || page.opens); update(); });
document.querySelector("#table tbody").addEventListener("keydown", walk);
dark.addEventListener("change", embed);
for (const button of document.querySelectorAll("#zoom button")) {
  button.addEventListener("click", () => zoomBy(Number(button.dataset.factor)));
}
embed();

// Hits over time as stacked bars, one path a level; a stretch of it can be zoomed into by dragging
// or by keys, and a table says the same to who cannot see it.

import { LEVELS } from "./query.js";
import { clock, count, counted, day, element, moment, parts } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";
/** The bars, from the axis up, and the levels each stands for; the colour is the first one's. */
const BARS = [
  ["critical", "alert", "emergency"], ["error"], ["warning"], ["notice"], ["info"],
  ["debug", "trace", "unknown"],
];
/** Pixels of a bar that is there at all: what is severe must be seen however little it is. */
const leastPixels = (level) => (level === "critical" || level === "error" ? 1.5 : 0.5);
/** Pixels that a drag must have to be one. */
const DRAG_PIXELS = 4;
/** Pixels that a bar has at most: one that fills the page says nothing. */
const BAR_PIXELS = 40;
const AXIS = 16;
const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const TICKS = [
  10, 50, 100, 500, SECOND, 5 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE,
  30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 30 * DAY, 365 * DAY,
];

/** Buckets that lines which come may make, before others are asked for. */
const BUCKETS_MAX = 320;

/** Buckets to ask for: about one for eight pixels. */
export const bucketsFor = (width) => Math.max(20, Math.min(160, Math.floor(width / 8)));

function made(name, attributes, parent) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  parent.append(node);
  return node;
}

export class Histogram {
  #box;
  #svg;
  #bars = new Map();
  #grid;
  #most;
  #selection;
  #cursor;
  #tip;
  #table;
  #onZoom;
  #data = null;
  #shown = null;
  #width = 0;
  #height = 0;
  /** The first and the last bucket that are marked, by number; null where none is. */
  #anchor = null;
  #at = null;
  #drag = null;

  /** `onZoom(from, to)` gets milliseconds, both included; without arguments it means out. */
  constructor(box, table, onZoom) {
    this.#box = box;
    this.#table = table;
    this.#onZoom = onZoom;
    this.#svg = made("svg", { "aria-hidden": "true" }, box);
    this.#grid = made("g", { class: "grid" }, this.#svg);
    this.#selection = made("rect", { class: "selection", y: 0, visibility: "hidden" }, this.#svg);
    for (const [level] of BARS) {
      this.#bars.set(level, made("path", { class: "bar", "data-level": level }, this.#svg));
    }
    this.#most = made("text", { x: 3, y: 11, class: "most" }, this.#svg);
    this.#cursor = made("rect", { class: "cursor", y: 0, visibility: "hidden" }, this.#svg);
    this.#tip = element("div", "tip");
    this.#tip.hidden = true;
    box.append(this.#tip);
    new ResizeObserver(() => this.#resized()).observe(box);
    box.addEventListener("pointerdown", (event) => this.#pressed(event));
    box.addEventListener("pointermove", (event) => this.#moved(event));
    box.addEventListener("pointerup", (event) => this.#released(event));
    box.addEventListener("pointercancel", () => this.#unmark());
    box.addEventListener("pointerleave", () => {
      if (!this.#drag) this.#unmark();
    });
    box.addEventListener("dblclick", () => this.#onZoom());
    box.addEventListener("keydown", (event) => this.#key(event));
    box.addEventListener("blur", () => this.#unmark());
  }

  /** Shows what the server counted; `shown` are the levels, or null for all. */
  show(data, shown) {
    this.#data = data;
    this.#shown = shown;
    this.#draw();
    this.#tabulate();
  }

  /** Counts a line that has just come; false where the server must be asked for other buckets. */
  add(ms, level) {
    const data = this.#data;
    if (!data || !data.buckets.length || ms - data.from > data.step_ms * BUCKETS_MAX) return false;
    if (ms < data.from) return true;
    const t = Math.floor(ms / data.step_ms) * data.step_ms;
    let bucket = data.buckets.at(-1);
    if (!bucket || bucket.t < t) {
      bucket = { t, total: 0, levels: {} };
      data.buckets.push(bucket);
    } else if (bucket.t > t) {
      bucket = data.buckets.find((other) => other.t === t) ?? bucket;
    }
    bucket.total++;
    bucket.levels[level] = (bucket.levels[level] ?? 0) + 1;
    if (ms > data.to) data.to = ms;
    return true;
  }

  redraw() {
    this.#draw();
  }

  #resized() {
    const { clientWidth, clientHeight } = this.#box;
    if (clientWidth === this.#width && clientHeight === this.#height) return;
    this.#width = clientWidth;
    this.#height = clientHeight;
    this.#svg.setAttribute("viewBox", "0 0 " + clientWidth + " " + clientHeight);
    this.#draw();
  }

  /** The first bucket's time, and how many there are from there to the end. */
  get #span() {
    const { step_ms: step, from, to } = this.#data;
    const first = Math.floor(from / step) * step;
    return { step, first, buckets: Math.max(1, Math.floor((to - first) / step) + 1) };
  }

  #isShown(level) {
    return !this.#shown || this.#shown.has(level);
  }

  #sum(bucket) {
    if (!this.#shown) return bucket.total;
    return Object.entries(bucket.levels)
      .reduce((sum, [level, n]) => sum + (this.#isShown(level) ? n : 0), 0);
  }

  #draw() {
    this.#grid.replaceChildren();
    this.#most.textContent = "";
    const isEmpty = !this.#data || !this.#width || !this.#data.buckets.length;
    for (const bar of this.#bars.values()) bar.setAttribute("d", "");
    if (isEmpty) return;
    const { step, first, buckets } = this.#span;
    const each = this.#width / buckets;
    const wide = Math.max(0.5, Math.min(BAR_PIXELS, each > 4 ? each - 1 : each)).toFixed(1);
    const room = this.#height - AXIS - 2;
    const most = Math.max(1, ...this.#data.buckets.map((bucket) => this.#sum(bucket)));
    const paths = new Map(BARS.map(([level]) => [level, ""]));
    for (const bucket of this.#data.buckets) {
      const x = ((bucket.t - first) / step) * each;
      let y = room + 2;
      for (const levels of BARS) {
        const n = levels.reduce((sum, level) =>
          sum + (this.#isShown(level) && bucket.levels[level] || 0), 0);
        if (!n) continue;
        const [level] = levels;
        const height = Math.min(y, Math.max(leastPixels(level), (n / most) * room));
        y -= height;
        const [left, top, down] = [x, y, height].map((pixels) => pixels.toFixed(1));
        paths.set(level, paths.get(level) + `M${left} ${top}h${wide}v${down}H${left}z`);
      }
    }
    for (const [level, path] of paths) this.#bars.get(level).setAttribute("d", path);
    this.#ticks(most, room);
  }

  #ticks(most, room) {
    const { step, first, buckets } = this.#span;
    const span = buckets * step;
    const fewest = Math.max(2, Math.floor(this.#width / 110));
    const tick = TICKS.find((size) => span / size <= fewest) ?? TICKS.at(-1);
    // Full hours and days where the reader is, which is not where UTC has them.
    const at = parts(first);
    const local = Date.UTC(at.year, at.month - 1, at.day, at.hour, at.minute, at.second, at.ms);
    const ahead = local - first;
    for (let t = Math.ceil(local / tick) * tick - ahead; t < first + span; t += tick) {
      const x = ((t - first) / span) * this.#width;
      made("line", { x1: x, x2: x, y1: 0, y2: room + 6 }, this.#grid);
      const label = tick >= DAY ? day(t).slice(5)
        : tick >= MINUTE ? (span > DAY ? day(t).slice(5) + " " : "") + clock(t, "minute")
          : tick >= SECOND ? clock(t, "second") : clock(t);
      const isLast = x > this.#width - 60;
      const text = made("text", { x: isLast ? x - 3 : x + 3, y: this.#height - 3 }, this.#grid);
      if (isLast) text.setAttribute("text-anchor", "end");
      text.textContent = label;
    }
    this.#most.textContent = count(most);
  }

  /** Where a pointer is, whatever it points at. */
  #x(event) {
    return event.clientX - this.#box.getBoundingClientRect().left;
  }

  #bucketAt(x) {
    const { buckets } = this.#span;
    return Math.max(0, Math.min(buckets - 1, Math.floor((x / this.#width) * buckets)));
  }

  #pressed(event) {
    if (!this.#data || event.button !== 0) return;
    this.#drag = { x: this.#x(event), id: event.pointerId };
    this.#anchor = this.#at = this.#bucketAt(this.#x(event));
    try {
      this.#box.setPointerCapture(event.pointerId);
    } catch {
      // A pointer that is gone again cannot be captured, and need not be.
    }
  }

  #moved(event) {
    if (!this.#data || !this.#data.buckets.length) return;
    const x = this.#x(event);
    this.#at = this.#bucketAt(x);
    if (!this.#drag) this.#anchor = this.#at;
    this.#mark();
  }

  #released(event) {
    const drag = this.#drag;
    this.#drag = null;
    if (!drag || !this.#data) return;
    const x = this.#x(event);
    if (Math.abs(x - drag.x) >= DRAG_PIXELS) this.#zoom();
    else this.#unmark();
  }

  #zoom() {
    const { from, to } = this.#range();
    this.#unmark();
    this.#onZoom(from, to);
  }

  #range() {
    const { step, first } = this.#span;
    const low = Math.min(this.#anchor, this.#at), high = Math.max(this.#anchor, this.#at);
    return { low, high, from: first + low * step, to: first + (high + 1) * step - 1 };
  }

  #key(event) {
    if (!this.#data || event.ctrlKey || event.metaKey) return;
    if (event.key === "Backspace" || event.key === "-") return this.#onZoom();
    if (!this.#data.buckets.length) return;
    const last = this.#span.buckets - 1;
    const here = this.#at ?? last + 1;
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (by) this.#at = Math.max(0, Math.min(last, here + by));
    else if (event.key === "Home") this.#at = 0;
    else if (event.key === "End") this.#at = last;
    else if (event.key === "Enter" && this.#at !== null) return this.#zoom();
    else return;
    if (!event.shiftKey || this.#anchor === null) this.#anchor = this.#at;
    event.preventDefault();
    event.stopPropagation();
    this.#mark();
  }

  /** Marks what is pointed at, and says what is there. */
  #mark() {
    const { low, high, from, to } = this.#range();
    const { buckets } = this.#span;
    const each = this.#width / buckets;
    const x = low * each, width = (high - low + 1) * each;
    for (const node of [this.#selection, this.#cursor]) {
      node.setAttribute("x", x);
      node.setAttribute("width", width);
      node.setAttribute("height", this.#height - AXIS);
    }
    this.#selection.setAttribute("visibility", low === high ? "hidden" : "visible");
    this.#cursor.setAttribute("visibility", low === high ? "visible" : "hidden");
    const levels = new Map();
    for (const bucket of this.#data.buckets) {
      if (bucket.t < from || bucket.t > to) continue;
      for (const [level, n] of Object.entries(bucket.levels)) {
        if (this.#isShown(level)) levels.set(level, (levels.get(level) ?? 0) + n);
      }
    }
    this.#describe(from, to, levels);
    const half = this.#tip.offsetWidth / 2;
    const middle = Math.max(half, Math.min(this.#width - half, x + width / 2));
    this.#tip.style.setProperty("left", middle - half + "px");
  }

  #describe(from, to, levels) {
    const sum = [...levels.values()].reduce((sum, n) => sum + n, 0);
    const isOneDay = day(from) === day(to);
    const precision = this.#data.step_ms < SECOND ? "ms" : "second";
    const when = day(from) + " " + clock(from, precision) + " – " +
      (isOneDay ? "" : day(to) + " ") + clock(to + 1, precision);
    this.#tip.replaceChildren(element("b", "", when), element("span", "", counted(sum, "line")));
    const said = [when, counted(sum, "line")];
    for (const level of LEVELS) {
      if (!levels.has(level)) continue;
      const line = element("span", "level", level + " " + count(levels.get(level)));
      line.dataset.level = level;
      this.#tip.append(line);
      said.push(level + " " + levels.get(level));
    }
    this.#tip.hidden = false;
    this.#box.setAttribute("aria-valuenow", Math.min(this.#anchor, this.#at));
    this.#box.setAttribute("aria-valuemax", this.#span.buckets - 1);
    this.#box.setAttribute("aria-valuetext", said.join(", "));
  }

  #unmark() {
    this.#drag = this.#anchor = this.#at = null;
    this.#tip.hidden = true;
    this.#selection.setAttribute("visibility", "hidden");
    this.#cursor.setAttribute("visibility", "hidden");
  }

  /** The same as a table: a row for each bucket in which there is something. */
  #tabulate() {
    const { buckets, step_ms: step } = this.#data;
    const levels = LEVELS.filter((level) =>
      this.#isShown(level) && buckets.some((bucket) => bucket.levels[level]));
    const head = element("tr");
    for (const name of ["from", "lines", ...levels]) {
      const cell = element("th", "", name);
      cell.scope = "col";
      head.append(cell);
    }
    const rows = buckets.map((bucket) => {
      const row = element("tr");
      const time = element("th", "", moment(bucket.t));
      time.scope = "row";
      row.append(time, element("td", "", count(this.#sum(bucket))));
      for (const level of levels) row.append(element("td", "", count(bucket.levels[level] ?? 0)));
      return row;
    });
    const caption = element("caption", "", "Lines by time and level, in steps of " +
      (step < SECOND ? step + " ms" : count(step / SECOND) + " s"));
    const top = element("thead"), body = element("tbody");
    top.append(head);
    body.append(...rows);
    this.#table.replaceChildren(caption, top, body);
  }
}

// The list of lines: only the rows that can be seen are in the document, whatever there is.

import { LEVELS } from "./query.js";
import {
  appendText, clock, columns, count, counted, cut, day, element, oneLine, visible,
} from "./text.js";

/** Rows kept; when more come at one end while we follow, the other end goes. */
export const ROWS_MAX = 200000;
const ROWS_DROPPED = 50000;

/** Characters of a line that its row holds; the details show the rest. */
const ROW_CHARACTERS = 2000;
const EXTRA_CHARACTERS = 400;
const EXTRA_VALUE_CHARACTERS = 80;

/** Pixels before an end of what is loaded at which more is asked for. */
const AHEAD = 4000;
/** Rows drawn above and below what can be seen, so that a quick scroll shows no gap. */
const OVERSCAN = 12;

/** Members of a record that are no labels. */
const OWN = new Set([
  "seq", "_time", "_msg", "_stream", "level", "fields", "raw", "event_time",
]);
/** Fields that say what another column says already. */
const SAID = new Set([
  "_msg", "msg", "message", "MESSAGE", "log", "short_message", "text", "event", "level",
  "severity", "time", "timestamp", "ts", "_time", "@timestamp", "host", "app", "facility",
  "pri",
]);
const KNOWN_LEVELS = new Set(LEVELS);

/** The labels of a record, in the order sent. */
export const labelsOf = (record) =>
  Object.entries(record).filter(([name]) => !OWN.has(name));

/** A field's value as a text. */
export const valueText = (value) =>
  typeof value === "string" ? value : JSON.stringify(value);

/** What a row needs of a record, worked out once. */
function rowOf(record, before, wantsEventTime) {
  if (record.seq === undefined) {
    const gone = record.lost === undefined ? "Line " + count(record.damaged) +
      " is damaged, and left out" : counted(record.lost, "line") +
      " lost here: the server had to let them go first";
    const isLost = record.lost !== undefined;
    return { gone, isLost, seq: record.damaged ?? before?.seq ?? 0, columns: 0, ms: 0 };
  }
  const time = wantsEventTime && record.event_time ? record.event_time : record._time;
  const whole = oneLine(String(record._msg ?? ""));
  const text = cut(whole, ROW_CHARACTERS);
  const row = {
    seq: record.seq, ms: Date.parse(time), record, text, hidden: whole.length - text.length,
    level: KNOWN_LEVELS.has(record.level) ? record.level : "unknown", extra: null, columns: 0,
  };
  if (record.fields && row.hidden === 0) row.extra = extraOf(record.fields, whole);
  row.columns = columns(text);
  for (const [name, value] of row.extra ?? []) row.columns += name.length + columns(value) + 3;
  return row;
}

/** Fields that the message does not show. */
function extraOf(fields, message) {
  const found = [];
  let room = EXTRA_CHARACTERS;
  for (const [name, value] of Object.entries(fields)) {
    if (SAID.has(name)) continue;
    const text = oneLine(cut(valueText(value), EXTRA_VALUE_CHARACTERS));
    if (text === "" || message.includes(name) && message.includes(text)) continue;
    room -= name.length + text.length + 2;
    if (room < 0) break;
    found.push([name, text, value]);
  }
  return found.length ? found : null;
}

export class LogList {
  /** All rows, oldest first. */
  rows = [];
  /** Whether there may be more before the first, behind the last row. */
  hasOlder = false;
  hasNewer = false;
  /** Whether the newest row stays in view. */
  sticks = true;
  /** What the search looks for, to be marked. */
  marks = null;
  wantsEventTime = false;
  isWrapped = false;
  selected = null;

  #box;
  #space;
  #probe;
  #drawn = new Map();
  #tops = null;
  #uniform = 20;
  #line = 20;
  #pad = 0;
  #most = 1;
  #perLine = 80;
  #isDated = false;
  #top = 0;
  #isDue = false;
  #on;

  /**
   * `on` holds what happens: `older()`, `newer()`, `leave()` the end and `arrive()` there by the
   * reader's own scrolling, `open(row)`, `filter(kind, name, value, excludes)`.
   */
  constructor(box, on) {
    this.#box = box;
    this.#on = on;
    this.#space = element("div", "space");
    this.#space.setAttribute("role", "rowgroup");
    this.#probe = this.#build({
      seq: -1, ms: 0, level: "info", text: "m".repeat(50), hidden: 0, extra: null, record: {},
    });
    this.#probe.removeAttribute("id");
    this.#probe.classList.add("probe");
    this.#probe.setAttribute("aria-hidden", "true");
    box.append(this.#space, this.#probe);
    box.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    box.addEventListener("click", (event) => this.#clicked(event));
    new ResizeObserver(() => this.measure()).observe(box);
  }

  /** Reads sizes from the page; needed when it changes its shape. */
  measure() {
    const style = getComputedStyle(this.#box);
    const message = this.#probe.querySelector(".message");
    const range = document.createRange();
    range.selectNodeContents(message);
    const each = range.getBoundingClientRect().width / 50 || 7;
    this.#line = parseFloat(style.getPropertyValue("--line")) || 20;
    this.#pad = parseFloat(style.getPropertyValue("--pad")) || 0;
    const shortest = parseFloat(style.getPropertyValue("--lines-most")) || 1;
    this.#most = this.isWrapped ? 12 : shortest;
    this.#uniform = this.#line + this.#pad;
    this.#perLine = Math.max(10, Math.floor(message.clientWidth / each));
    this.#keepingPlace(() => this.#layOut(0));
    this.#redraw();
  }

  #height(row) {
    if (this.#most === 1 || row.columns <= this.#perLine) return this.#uniform;
    const lines = Math.min(this.#most, Math.ceil(row.columns / this.#perLine));
    return this.#pad + lines * this.#line;
  }

  /** Works out where rows from `from` on stand; with rows of one height there is nothing to do. */
  #layOut(from) {
    if (this.#most === 1) {
      this.#tops = null;
    } else {
      const old = this.#tops;
      const length = this.rows.length + 1;
      if (!old || old.length < length) {
        this.#tops = new Float64Array(length + (length >> 1));
        if (old && from) this.#tops.set(old.subarray(0, from + 1));
        else from = 0;
      }
      for (let at = from; at < this.rows.length; at++) {
        this.#tops[at + 1] = this.#tops[at] + this.#height(this.rows[at]);
      }
    }
    this.#space.style.setProperty("height", this.#topOf(this.rows.length) + "px");
  }

  #topOf(index) {
    return this.#tops ? this.#tops[index] : index * this.#uniform;
  }

  /** The row at a height in pixels. */
  #indexAt(y) {
    if (!this.#tops) return Math.floor(y / this.#uniform);
    let low = 0, high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#tops[middle + 1] <= y) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Makes a change, and leaves the row that stands first in view where it is. */
  #keepingPlace(change) {
    if (this.sticks || !this.rows.length) {
      change();
      if (this.sticks) this.#scrollTo(Infinity);
      return;
    }
    const index = Math.min(this.#indexAt(this.#box.scrollTop), this.rows.length - 1);
    const row = this.rows[index];
    const beyond = this.#box.scrollTop - this.#topOf(index);
    change();
    const now = this.indexOf(row);
    if (now >= 0) this.#scrollTo(this.#topOf(now) + beyond);
  }

  #scrollTo(top) {
    const last = Math.max(0, this.#topOf(this.rows.length) - this.#box.clientHeight);
    const wanted = Math.max(0, Math.min(top, last));
    if (Math.abs(this.#box.scrollTop - wanted) >= 0.5) this.#box.scrollTop = wanted;
    this.#top = this.#box.scrollTop;
    this.draw();
  }

  /** Where a row stands; -1 where it is not among them. */
  indexOf(row) {
    if (!row) return -1;
    let at = this.indexOfSeq(row.seq);
    while (at < this.rows.length && this.rows[at].seq === row.seq) {
      if (this.rows[at] === row) return at;
      at++;
    }
    return -1;
  }

  /** The first row with that number or a higher one. */
  indexOfSeq(seq) {
    let low = 0, high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle].seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  get first() {
    return this.rows.find((row) => row.record) ?? null;
  }

  get last() {
    for (let at = this.rows.length - 1; at >= 0; at--) {
      if (this.rows[at].record) return this.rows[at];
    }
    return null;
  }

  /** The lowest number that is here, be its record damaged; null where there is none. */
  get firstSeq() {
    return this.rows.find((row) => !row.isLost)?.seq ?? null;
  }

  /** The highest one. */
  get lastSeq() {
    for (let at = this.rows.length - 1; at >= 0; at--) {
      if (!this.rows[at].isLost) return this.rows[at].seq;
    }
    return null;
  }

  clear() {
    this.rows = [];
    this.selected = null;
    this.#layOut(0);
    this.#redraw();
  }

  /** Adds records behind the last, oldest first; drops some before the first where there are too
   * many and the end is what is looked at. */
  append(records) {
    const from = this.rows.length;
    for (const record of records) {
      this.rows.push(rowOf(record, this.rows.at(-1), this.wantsEventTime));
    }
    if (this.sticks && this.rows.length > ROWS_MAX) {
      this.rows = this.rows.slice(ROWS_DROPPED);
      this.hasOlder = true;
      this.#layOut(0);
    } else {
      this.#layOut(from);
    }
    if (this.sticks) this.#scrollTo(Infinity);
    this.draw();
  }

  /** Adds records before the first, newest first as they come from the server. */
  prepend(records) {
    const made = [];
    for (let at = records.length - 1; at >= 0; at--) {
      made.push(rowOf(records[at], made.at(-1), this.wantsEventTime));
    }
    this.#keepingPlace(() => {
      this.rows = made.concat(this.rows);
      if (!this.sticks && this.rows.length > ROWS_MAX) {
        this.rows.length -= ROWS_DROPPED;
        this.hasNewer = true;
      }
      this.#layOut(0);
    });
    this.draw();
  }

  #scrolled() {
    const { scrollTop, clientHeight } = this.#box;
    const isAtEnd = scrollTop + clientHeight >= this.#topOf(this.rows.length) - this.#line * 1.5;
    const isByReader = Math.abs(scrollTop - this.#top) > 1;
    const isUp = scrollTop < this.#top;
    this.#top = scrollTop;
    if (isByReader && this.sticks && isUp && !isAtEnd) this.#on.leave();
    else if (isByReader && !this.sticks && !isUp && isAtEnd && !this.hasNewer) this.#on.arrive();
    this.draw();
  }

  /** Draws what can be seen, at the next frame. */
  draw() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#drawNow();
    });
  }

  #redraw() {
    for (const drawn of this.#drawn.values()) drawn.remove();
    this.#drawn.clear();
    this.#drawNow();
  }

  /** For a change that touches how every row looks. */
  refresh() {
    this.#redraw();
  }

  #drawNow() {
    const { scrollTop, clientHeight } = this.#box;
    if (!clientHeight) return;
    const dated = this.rows.length > 0 && day(this.rows[0].ms || Date.now()) !== day(Date.now());
    if (dated !== this.#isDated) {
      this.#isDated = dated;
      this.#box.classList.toggle("dated", dated);
      return this.measure();
    }
    const from = Math.max(0, this.#indexAt(scrollTop) - OVERSCAN);
    const to = Math.min(this.rows.length, this.#indexAt(scrollTop + clientHeight) + OVERSCAN + 1);
    const wanted = new Set(this.rows.slice(from, to));
    for (const [row, drawn] of this.#drawn) {
      if (wanted.has(row)) continue;
      drawn.remove();
      this.#drawn.delete(row);
    }
    let next = this.#space.firstElementChild;
    for (let at = from; at < to; at++) {
      const row = this.rows[at];
      let drawn = this.#drawn.get(row);
      if (!drawn) {
        drawn = this.#build(row);
        this.#drawn.set(row, drawn);
      }
      if (drawn === next) next = next.nextElementSibling;
      else this.#space.insertBefore(drawn, next);
      this.#place(drawn, at);
    }
    this.#box.setAttribute("aria-rowcount",
      this.hasOlder || this.hasNewer ? -1 : this.rows.length);
    if (scrollTop < AHEAD && this.hasOlder) this.#on.older();
    const below = this.#topOf(this.rows.length) - scrollTop - clientHeight;
    if (below < AHEAD && this.hasNewer) this.#on.newer();
  }

  #place(drawn, at) {
    const row = this.rows[at];
    drawn.style.setProperty("transform", "translateY(" + this.#topOf(at) + "px)");
    if (this.#tops) drawn.style.setProperty("height", this.#height(row) + "px");
    drawn.setAttribute("aria-rowindex", at + 1);
    const isSelected = row === this.selected;
    if (drawn.ariaSelected !== String(isSelected)) drawn.ariaSelected = String(isSelected);
  }

  #build(row) {
    const made = element("div", "row");
    made.setAttribute("role", "row");
    made.row = row;
    if (row.gone) {
      made.classList.add("gone");
      const cell = element("span", "message", row.gone);
      cell.setAttribute("role", "gridcell");
      made.append(cell);
      return made;
    }
    made.id = "line-" + row.seq;
    made.dataset.level = row.level;
    const time = (this.#isDated ? day(row.ms).slice(5) + " " : "") + clock(row.ms);
    const level = element("span", "level", row.level);
    level.filter = ["level", "level", row.level];
    const message = element("span", "message");
    appendText(message, row.text, this.marks);
    if (row.hidden) message.append(element("span", "more", "… " + count(row.hidden) + " more"));
    for (const [name, text, value] of row.extra ?? []) {
      const pair = element("span", "pair");
      pair.filter = ["field", name, valueText(value)];
      pair.append(element("span", "name", visible(name) + "="));
      appendText(pair, text, this.marks);
      message.append(" ", pair);
    }
    for (const cell of [element("span", "time", time), level, this.#source(row), message]) {
      cell.setAttribute("role", "gridcell");
      made.append(cell);
    }
    return made;
  }

  #source(row) {
    const made = element("span", "source");
    for (const name of ["app", "host"]) {
      const value = row.record[name];
      if (typeof value !== "string" || value === "") continue;
      const part = element("span", name, visible(value));
      part.filter = ["label", name, value];
      made.append(part);
    }
    return made;
  }

  #clicked(event) {
    const drawn = event.target.closest(".row");
    if (!drawn || !drawn.row || drawn.row.gone) return;
    // Whoever marks text to copy it does not want to open anything.
    if (String(window.getSelection())) return;
    // A finger is too big for one word of a line; the details have buttons.
    const isFinger = event.pointerType === "touch";
    for (let at = event.target; at !== drawn && !isFinger; at = at.parentElement) {
      if (at.filter) return this.#on.filter(...at.filter, event.altKey);
    }
    this.#on.open(drawn.row);
  }

  /** Selects a row, or none, and shows it. */
  select(row, align) {
    const before = this.#drawn.get(this.selected);
    if (before) before.ariaSelected = "false";
    this.selected = row;
    if (row) {
      this.show(row, align);
      this.#drawNow();
      this.#box.setAttribute("aria-activedescendant", "line-" + row.seq);
    } else {
      this.#box.removeAttribute("aria-activedescendant");
    }
  }

  /** The row `by` rows on from the selected one; without one, the last or first in view. */
  neighbour(by) {
    const here = this.indexOf(this.selected);
    let at = here + by;
    if (here < 0) {
      const { scrollTop, clientHeight } = this.#box;
      at = by < 0 ? this.#indexAt(scrollTop + clientHeight - this.#line)
        : this.#indexAt(scrollTop + this.#line);
    }
    at = Math.max(0, Math.min(at, this.rows.length - 1));
    while (this.rows[at] && !this.rows[at].record) at += by < 0 ? -1 : 1;
    return this.rows[at] ?? null;
  }

  /** Rows that fit into view, less one. */
  get page() {
    return Math.max(1, Math.floor(this.#box.clientHeight / this.#uniform) - 1);
  }

  /** Scrolls as little as is needed to show a row, or puts it in the middle. */
  show(row, align = "near") {
    const index = this.indexOf(row);
    if (index < 0) return;
    const { scrollTop, clientHeight } = this.#box;
    const top = this.#topOf(index), bottom = this.#topOf(index + 1);
    if (align === "middle") this.#scrollTo(top - (clientHeight - (bottom - top)) / 2);
    else if (top < scrollTop) this.#scrollTo(top);
    else if (bottom > scrollTop + clientHeight) this.#scrollTo(bottom - clientHeight);
  }

  toStart() {
    this.#scrollTo(0);
  }

  toEnd() {
    this.#scrollTo(Infinity);
  }

  /** What is needed to come back here. */
  save() {
    const { rows, hasOlder, hasNewer, selected, marks } = this;
    return { rows, hasOlder, hasNewer, selected, marks, top: this.#box.scrollTop };
  }

  restore(saved) {
    const { top, ...rest } = saved;
    Object.assign(this, rest);
    this.#layOut(0);
    this.#redraw();
    this.#scrollTo(top);
  }
}

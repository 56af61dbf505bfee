// Turns what a log line holds into text that is safe to show: nothing in it can run, reach into
// the page's layout, or pretend to be something else.

// Colours, cursor movements, window titles and links of terminals (ECMA-48), where they have an
// end: without one they would hide the rest of the line.
const ANSI = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\)/g;

// What has no shape of its own, or changes the direction of what follows: shown as its number.
const HIDDEN = new RegExp(
  "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180e" +
  "\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb" +
  "\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}]", "gu");

// What stands above or below the character before it.
const COMBINING = /^\p{M}$/u;

// Most lines are plain ASCII, for which all of this can be skipped.
const PLAIN = /^[\x20-\x7e]*$/;

/** Text without the commands of a terminal. */
export function withoutColours(text) {
  return text.includes("\x1b") ? text.replace(ANSI, "") : text;
}

function number(character) {
  const code = character.codePointAt(0);
  const hex = code.toString(16);
  return code < 256 ? "\\x" + hex.padStart(2, "0") : code < 65536 ? "\\u" + hex.padStart(4, "0")
    : "\\u{" + hex + "}";
}

/** Text with visible numbers in place of what cannot be seen: for labels and attributes. */
export function visible(text) {
  text = String(text);
  return PLAIN.test(text) ? text : withoutColours(text).replace(HIDDEN, number);
}

/** The text of one row: on one line, without colours. */
export function oneLine(text) {
  if (PLAIN.test(text)) return text;
  return withoutColours(text).replace(/\r?\n|\r/g, "↵").replace(/\t/g, "  ");
}

/** Cells of a terminal that a text takes up, to tell how often it wraps. */
export function columns(text) {
  if (PLAIN.test(text)) return text.length;
  let count = 0;
  for (const character of text) {
    const code = character.codePointAt(0);
    HIDDEN.lastIndex = 0;
    if (code < 127 && code > 31) count++;
    else if (HIDDEN.test(character)) count += number(character).length;
    else if (COMBINING.test(character)) continue;
    else count += code >= 0x1100 && (code < 0x2000 || code >= 0x2e80) ? 2 : 1;
  }
  return count;
}

/** An element with a class and a text; the only way in which this page makes text. */
export function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/**
 * Appends text to an element: hidden characters as their numbers, what `marks` matches marked.
 * `marks` is a regular expression with the flags g and i, or null.
 */
export function appendText(parent, text, marks) {
  if (!marks) return appendVisible(parent, text);
  let from = 0;
  marks.lastIndex = 0;
  for (let match; (match = marks.exec(text)); ) {
    if (!match[0]) break;
    appendVisible(parent, text.slice(from, match.index));
    const mark = element("mark");
    appendVisible(mark, match[0]);
    parent.append(mark);
    from = match.index + match[0].length;
  }
  appendVisible(parent, text.slice(from));
}

function appendVisible(parent, text) {
  if (!text) return;
  if (PLAIN.test(text)) return parent.append(text);
  let from = 0;
  HIDDEN.lastIndex = 0;
  for (let match; (match = HIDDEN.exec(text)); ) {
    if (match.index > from) parent.append(text.slice(from, match.index));
    parent.append(element("i", "escape", number(match[0])));
    from = match.index + match[0].length;
  }
  if (from < text.length) parent.append(text.slice(from));
}

/** A cut that does not tear a character of two halves apart. */
export function cut(text, length) {
  if (text.length <= length) return text;
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? length - 1 : length);
}

const THOUSANDS = new Intl.NumberFormat("en-US");

/** 1234567 as 1,234,567. */
export const count = (number) => THOUSANDS.format(number);

/** "1 line", "2 lines". */
export const counted = (number, noun) => count(number) + " " + noun + (number === 1 ? "" : "s");

const two = (number) => (number < 10 ? "0" : "") + number;
const three = (number) => String(number).padStart(3, "0");

/** How times are shown: in UTC, or in the zone of whoever reads. */
export const zone = { utc: false };

/** Parts of a time in the zone that is shown. */
export function parts(ms) {
  const date = new Date(ms);
  return zone.utc
    ? { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate(),
        hour: date.getUTCHours(), minute: date.getUTCMinutes(), second: date.getUTCSeconds(),
        ms: date.getUTCMilliseconds() }
    : { year: date.getFullYear(), month: date.getMonth() + 1, day: date.getDate(),
        hour: date.getHours(), minute: date.getMinutes(), second: date.getSeconds(),
        ms: date.getMilliseconds() };
}

/** 2026-11-20 */
export function day(ms) {
  const at = parts(ms);
  return at.year + "-" + two(at.month) + "-" + two(at.day);
}

/** 10:00:05.123, or less where `precision` is "second" or "minute". */
export function clock(ms, precision) {
  const at = parts(ms);
  const minute = two(at.hour) + ":" + two(at.minute);
  if (precision === "minute") return minute;
  const second = minute + ":" + two(at.second);
  return precision === "second" ? second : second + "." + three(at.ms);
}

/** 2026-11-20 10:00:05 */
export const moment = (ms) => day(ms) + " " + clock(ms, "second");

/** "3 minutes ago" */
export function ago(ms, now) {
  const seconds = Math.max(0, Math.round((now - ms) / 1000));
  if (seconds < 60) return seconds + " s ago";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min ago";
  if (seconds < 86400) return Math.floor(seconds / 3600) + " h ago";
  return counted(Math.floor(seconds / 86400), "day") + " ago";
}

// The server's language as far as the page must know it, and the state that a link holds.

export const LEVELS = [
  "emergency", "alert", "critical", "error", "warning", "notice", "info", "debug", "trace",
  "unknown",
];

// Parameters that a label of the same name must not be taken for.
const PARAMETERS = new Set([
  "keyword", "keywords", "operator", "regex", "time_from", "time_to", "since", "until", "level",
  "source", "limit", "order", "time", "format", "after", "before", "n", "q", "step", "step_ms",
  "buckets", "from", "to",
]);

// What the page says for itself with every request: in the search box it has no effect.
const OURS = new Set(["limit", "order", "format", "after", "before", "n"]);
const RANGE = new Set(["since", "until", "time_from", "time_to"]);

const NAME = new RegExp("(?:field\\.\"(?:[^\"\\\\]|\\\\.)*\"|field\\.[^\\s=!<>~\"]+|" +
  "!?[A-Za-z0-9_.-]+)(>=|<=|!=|!~|=|>|<|~)", "iy");
const QUOTED = /"(?:[^"\\]|\\.)*"/y;
const BARE = /\S*/y;

// A `/pattern/`: with blanks in it, it holds no slash, for two paths are no pattern.
const PATTERN = new RegExp("/(?:(?:[^\\s\\\\]|\\\\.)+?|(?:[^/\\\\]|\\\\.)+?)/(?=\\s|$)", "y");

/**
 * The words of a search: where each stands, and for `name=value` its name, comparison and value;
 * `isText` where the line is to hold it. A quote that is not closed goes on to the end.
 */
export function words(text) {
  const found = [];
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text[at])) {
      at++;
      continue;
    }
    const start = at;
    PATTERN.lastIndex = at;
    const pattern = PATTERN.exec(text);
    if (pattern) {
      at += pattern[0].length;
      found.push({ start, end: at, name: null, value: pattern[0], isText: false });
      continue;
    }
    const isWithout = /[-!]/.test(text[at]) && /[^\s-]/.test(text[at + 1] ?? " ");
    if (isWithout && text[at] === "-") at++;
    let name = null, comparison;
    NAME.lastIndex = at;
    const head = NAME.exec(text);
    if (head) {
      comparison = head[1];
      name = head[0].slice(0, -comparison.length);
      at += head[0].length;
    }
    const quoted = text[at] === '"';
    const shape = quoted ? QUOTED : BARE;
    shape.lastIndex = at;
    const body = shape.exec(text);
    const value = body ? body[0] : text.slice(at);
    at += value.length;
    const isText = !isWithout && (name === null || /^keywords?$/i.test(name));
    const meant = quoted ? unquoted(value) : value;
    found.push({ start, end: at, name, comparison, value: meant, isText });
  }
  return found;
}

const unquoted = (text) => text.slice(1).replace(/"$/, "").replace(/\\(["\\])/g, "$1");

const quote = (value) =>
  /^[^\s"]\S*$/.test(value) ? value : '"' + value.replace(/(["\\])/g, "\\$1") + '"';

/** How a label is asked for: some names mean something else when they stand alone. */
function labelName(name) {
  return /^[A-Za-z0-9_.-]+$/.test(name) && !PARAMETERS.has(name.toLowerCase()) ? name
    : fieldName(name);
}

function fieldName(name) {
  return "field." + (/^[^\s=!<>~"]+$/.test(name) ? name : '"' + name.replace(/(["\\])/g, "\\$1") +
    '"');
}

/** The search with one more condition; one on the same value that says the opposite goes. */
export function withFilter(text, kind, name, value, excludes) {
  const spelled = kind === "label" ? labelName(name) : fieldName(name);
  const rest = words(text)
    .filter((word) => !(word.name === spelled && word.value === value &&
      (word.comparison === "=" || word.comparison === "!=")))
    // Two different values of one name cannot both be there.
    .filter((word) => !(!excludes && word.name === spelled && word.comparison === "="))
    .map((word) => text.slice(word.start, word.end));
  rest.push(spelled + (excludes ? "!=" : "=") + quote(value));
  return rest.join(" ");
}

/** What in the search narrows the time, and what has no effect here. */
export function notes(text) {
  const found = { range: false, ours: [], eventTime: false };
  for (const { name, comparison, value } of words(text)) {
    const lower = name && name.toLowerCase();
    if (RANGE.has(lower)) found.range = true;
    if (OURS.has(lower) && comparison === "=") found.ours.push(lower);
    if (lower === "time" && value.toLowerCase() === "event") found.eventTime = true;
  }
  return found;
}

/** The search as it is sent. */
function sent(text) {
  if (!notes(text).ours.length) return text.trim();
  return words(text)
    .filter((word) => !(word.name && OURS.has(word.name.toLowerCase())))
    .map((word) => text.slice(word.start, word.end)).join(" ");
}

/** A regular expression for all that the search looks for as text, or null. */
export function marks(text) {
  const wanted = words(text)
    .filter(({ isText }) => isText)
    .flatMap(({ name, value }) => name && name.length > 7 ? value.split(",") : [value])
    .filter((value) => value.length > 0)
    .map((value) => value.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (!wanted.length) return null;
  return new RegExp(wanted.sort((a, b) => b.length - a.length).join("|"), "gi");
}

export const SPANS = [
  ["5m", "5 minutes", 300], ["15m", "15 minutes", 900], ["1h", "hour", 3600],
  ["6h", "6 hours", 21600], ["24h", "24 hours", 86400], ["7d", "7 days", 604800],
];

/** Unix seconds, as the server reads them. */
const seconds = (ms) => (ms / 1000).toFixed(3);

/** A range of time in absolute milliseconds, `until` being the last one; null where it is open. */
export function bounds(range, now) {
  if (range.last) return { since: now - spanMs(range.last), until: null };
  return { since: range.from ?? null, until: range.to ?? null };
}

export function spanMs(name) {
  const found = SPANS.find(([span]) => span === name);
  return found ? found[2] * 1000 : 3600000;
}

/** The parameters for a request about `state`; without levels where `ofAllLevels`. */
export function parameters(state, { ofAllLevels = false, isTail = false } = {}) {
  const made = new URLSearchParams();
  const text = sent(state.search);
  if (text) made.append("q", text);
  if (!notes(state.search).range) {
    const { range } = state;
    // Behind the newest line that is shown, what is relative cannot narrow a tail.
    if (range.last && !isTail) made.append("since", "-" + range.last);
    if (range.from != null) made.append("since", seconds(range.from));
    if (range.to != null) made.append("until", seconds(range.to));
  }
  if (state.levels && !ofAllLevels) {
    if (state.levels.size === 1) made.append("level", [...state.levels][0]);
    else for (const level of LEVELS) if (!state.levels.has(level)) made.append("level!", level);
  }
  return made;
}

/** The state that a page without a link has: everything, followed. */
export const fresh = () => ({ search: "", levels: null, range: {}, seq: null, context: false });

/** The part of a link behind `#`. */
export function toHash(state) {
  const made = new URLSearchParams();
  if (state.search) made.append("q", state.search);
  if (state.levels) {
    const hidden = LEVELS.filter((level) => !state.levels.has(level));
    const shown = [...state.levels];
    made.append("level", hidden.length < shown.length ? "-" + hidden.join(",") : shown.join(","));
  }
  const { range } = state;
  if (range.last) made.append("last", range.last);
  if (range.from != null) made.append("from", new Date(range.from).toISOString());
  if (range.to != null) made.append("to", new Date(range.to).toISOString());
  if (state.seq != null) made.append("seq", state.seq);
  if (state.context) made.append("context", "1");
  // Colons and commas are allowed in a fragment, and read better than their escapes.
  return made.toString().replace(/%3A/g, ":").replace(/%2C/g, ",");
}

/** Reads what `toHash` wrote; what is none of it is passed over. */
export function fromHash(hash) {
  const state = fresh();
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  state.search = given.get("q") ?? "";
  const levels = given.get("level");
  if (levels) {
    const named = new Set(levels.replace(/^-/, "").split(","));
    const shown = LEVELS.filter((level) => named.has(level) !== levels.startsWith("-"));
    if (shown.length && shown.length < LEVELS.length) state.levels = new Set(shown);
  }
  if (SPANS.some(([span]) => span === given.get("last"))) state.range.last = given.get("last");
  for (const end of ["from", "to"]) {
    const ms = Date.parse(given.get(end) ?? "");
    if (!Number.isNaN(ms) && !state.range.last) state.range[end] = ms;
  }
  const seq = /^\d+$/.test(given.get("seq") ?? "") ? Number(given.get("seq")) : NaN;
  if (Number.isSafeInteger(seq)) state.seq = seq;
  state.context = state.seq != null && given.get("context") === "1";
  return state;
}

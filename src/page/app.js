// The page: what is asked, what is shown of it, and what keys and clicks do.

import { json } from "./api.js";
import { Detail } from "./detail.js";
import { Feed } from "./feed.js";
import { bucketsFor, Histogram } from "./histogram.js";
import { LogList } from "./list.js";
import { Chips, byId, helpDialog, labelsMenu, moreMenu, rangeName, timeMenu } from "./menus.js";
import {
  LEVELS, bounds, fresh, fromHash, marks, notes, parameters, toHash, withFilter,
} from "./query.js";
import { clock, count, counted, element, zone } from "./text.js";

/** After the last key before the server is asked, and before it is said what is wrong. */
const TYPING_MS = 150;
const MISTAKE_MS = 700;
/** Between two counts while lines come: also twenty times what a count takes. */
const RECOUNT_MS = 5000;
/** Lines that a download has at most. */
const DOWNLOAD_LINES = 1000000;
/** A tab that nobody looks at gives its connection back after this. */
const HIDDEN_MS = 10000;

let state = fromHash(location.hash);
/** Ranges of time before the present one, the last zoomed out of first. */
let ranges = [];
let hits = null;
let hitsTook = 0;
let hitsAsking = null;
let hitsTimer = 0;
let hitsAreOld = false;
let typing = 0;
let retry = 0;
let notice = null;

const box = byId("log");
const search = byId("search");
const list = new LogList(box, {
  older: () => feed.context || feed.page("older"),
  newer: () => feed.context || feed.page("newer"),
  leave: () => feed.pause(),
  arrive: () => feed.canFollow && feed.resume(),
  open: (row) => open(row),
  filter,
});
const feed = new Feed(list, { changed, arrived, failed, said: say });
const detail = new Detail(byId("detail"), {
  filter,
  context,
  link: (row) => copy(linkTo({ seq: row.seq, range: {} }), "Link"),
  copy,
  close: closeDetail,
  step: (by) => move(by),
});
const histogram = new Histogram(byId("histogram"), byId("histogram-table"), (from, to) =>
  from === undefined ? unzoom() : zoomTo({ from, to }));
const chips = new Chips(pickLevel);

// ---- What is asked

/** Asks for what `state` says, and writes it into the address. */
function run({ push = true } = {}) {
  clearTimeout(typing);
  const hash = "#" + toHash(state);
  if (hash !== (location.hash || "#")) {
    const address = location.pathname + location.search + (hash === "#" ? "" : hash);
    history[push ? "pushState" : "replaceState"](null, "", address);
  }
  list.marks = marks(state.search);
  // The question first: what is drawn can be drawn while the server works.
  if (state.context) enterContext(null);
  else if (state.seq != null) feed.around(state, (row) => open(row));
  else feed.newest(state);
  quiet();
  show();
  setTimeout(countHits);
}

/** Changes what is asked; a link to one line is no more that line's. */
function change(changes, options) {
  state = { ...state, seq: null, context: false, ...changes };
  feed.context = null;
  run(options);
}

function filter(kind, name, value, excludes) {
  if (kind === "level") return pickLevel(value, excludes, true);
  change({ search: withFilter(state.search, kind, name, value, excludes) });
  say((excludes ? "Without " : "Only ") + name + " " + value);
}

/** Shows only that level, adds it to others, or takes it away again. */
function pickLevel(level, excludes, isAlone) {
  let levels = new Set(state.levels ?? LEVELS);
  if (excludes) levels.delete(level);
  else if (isAlone || !state.levels) levels = new Set([level]);
  else if (levels.has(level)) levels.delete(level);
  else levels.add(level);
  if (!levels.size || levels.size === LEVELS.length) levels = null;
  change({ levels });
}

function chooseTime(range) {
  ranges.push(state.range);
  change({ range });
}

function zoomTo(range) {
  chooseTime(range);
  say("Time: " + rangeName(range));
}

function unzoom() {
  const { range } = state;
  const isAll = !range.last && range.from == null && range.to == null;
  if (isAll && !ranges.length) return;
  change({ range: ranges.pop() ?? {} });
  say("Time: " + rangeName(state.range));
}

/** Counts hits by time and level: of all levels, so that chips know of those not shown. */
async function countHits() {
  clearTimeout(hitsTimer);
  hitsAsking?.abort();
  const mine = hitsAsking = new AbortController();
  hitsAreOld = false;
  const asked = parameters(state, { ofAllLevels: true });
  asked.set("buckets", bucketsFor(byId("histogram").clientWidth || 800));
  const begun = performance.now();
  try {
    hits = await json("hits", asked, mine.signal);
    hitsTook = performance.now() - begun;
    histogram.show(hits, state.levels);
    showCounts();
  } catch (error) {
    // The list says what is wrong with the same question.
    if (error.name === "AbortError") return;
  }
  if (mine === hitsAsking) hitsTimer = setTimeout(recount, Math.max(RECOUNT_MS, 20 * hitsTook));
}

function recount() {
  const moves = state.range.last || hitsAreOld;
  if (moves && !document.hidden && feed.canFollow) countHits();
  else hitsTimer = setTimeout(recount, RECOUNT_MS);
}

let isCountDue = false;
function arrived(batch) {
  hitsAreOld = true;
  if (!hits) return;
  for (const { _time: time, level, seq } of batch) {
    if (seq === undefined) continue;
    const known = LEVELS.includes(level) ? level : "unknown";
    if (!histogram.add(Date.parse(time), known)) {
      clearTimeout(hitsTimer);
      hitsTimer = setTimeout(countHits, 300 + 20 * hitsTook);
      hits = null;
      return;
    }
  }
  if (isCountDue) return;
  isCountDue = true;
  setTimeout(() => {
    isCountDue = false;
    if (!hits) return;
    histogram.redraw();
    showCounts();
  }, 250);
}

// ---- What is shown

function show() {
  if (document.activeElement !== search || search.value.trim() !== state.search) {
    search.value = state.search;
  }
  byId("clear").hidden = !search.value;
  byId("time-name").textContent = notes(state.search).range ? "Time of the search"
    : rangeName(state.range);
  byId("unzoom").hidden = !ranges.length && state.range.from == null && state.range.to == null;
  byId("unzoom").textContent = ranges.length ? "Back to " + lower(rangeName(ranges.at(-1)))
    : "Everything";
  document.title = (state.search ? state.search + " – " : "") + "logcaster";
  const { ours } = notes(state.search);
  if (ours.length) say(ours.join("= and ") + "= has no effect here");
}

const lower = (text) => text[0].toLowerCase() + text.slice(1);

function showCounts() {
  const counts = new Map();
  for (const { levels } of hits.buckets) {
    for (const [level, n] of Object.entries(levels)) {
      counts.set(level, (counts.get(level) ?? 0) + n);
    }
  }
  chips.show(counts, state.levels);
  let sum = 0;
  for (const [level, n] of counts) if (!state.levels || state.levels.has(level)) sum += n;
  byId("total").textContent = counted(sum, "line");
}

let shownStatus = "";
function changed() {
  const { waiting, isFollowing, canFollow } = feed;
  const follow = byId("follow");
  follow.setAttribute("aria-pressed", isFollowing);
  follow.classList.toggle("gone", feed.isGone);
  byId("follow-name").textContent = isFollowing ? "Live"
    : canFollow && !list.hasNewer ? "Paused" : "Go live";
  const pill = byId("waiting");
  pill.hidden = !waiting || isFollowing;
  const waits = count(waiting) + (feed.isCapped ? "+" : "") + (waiting === 1 ? " new line"
    : " new lines");
  if (!pill.hidden) pill.textContent = waits + " ↓";
  byId("progress").hidden = !feed.isLoading && !feed.isPaging;
  showEmpty();
  showContext();
  const status = [counted(list.rows.length, "line") + " here"];
  if (list.hasOlder && !feed.context) status.push("older ones come as you scroll");
  if (list.last) status.push("newest " + clock(list.last.ms, "second"));
  const text = (feed.isGone ? "No connection · " : "") + status.join(" · ");
  if (text !== shownStatus) byId("status").textContent = shownStatus = text;
  byId("status").classList.toggle("gone", feed.isGone);
  if (!feed.isGone && !feed.isLoading && notice?.isGone) quiet();
  sayState(isFollowing, waiting, waits);
}

let saidState = "";
let saidAt = 0;
/** Tells a screen reader what the button shows, but not every line that comes. */
function sayState(isFollowing, waiting, waits) {
  const now = performance.now();
  const kind = feed.isLoading ? "" : isFollowing ? "Live" : waiting ? "waiting" : "";
  if (!kind || kind === saidState && (kind !== "waiting" || now - saidAt < 10000)) return;
  saidState = kind;
  saidAt = now;
  say(kind === "Live" ? "Live, " + counted(list.rows.length, "line") + " here"
    : "Paused, " + waits);
}

function say(text) {
  byId("say").textContent = text;
}

/** What to do where there is nothing to see. */
function showEmpty() {
  const empty = byId("empty");
  const isEmpty = !list.rows.length && !feed.isLoading && !notice;
  if (empty.hidden !== isEmpty) return;
  empty.hidden = !isEmpty;
  if (!isEmpty) return;
  const isNarrowed = state.search || state.levels || toHash({ ...fresh(), range: state.range });
  empty.replaceChildren(element("p", "large", isNarrowed ? "No line matches" : "No lines yet"));
  if (!isNarrowed) {
    const host = location.hostname.replace(/^\[|\]$/g, "");
    empty.append(element("p", "dim", "Send one, it appears here at once:"),
      element("code", "", "echo hello | nc -N " + host + " 9999"));
    return;
  }
  const ways = element("p", "ways");
  const way = (text, changes) => {
    const made = element("button", "link", text);
    made.type = "button";
    made.addEventListener("click", () => change(changes));
    ways.append(made);
  };
  if (toHash({ ...fresh(), range: state.range })) way("Search all time", { range: {} });
  if (state.levels) way("Show all levels", { levels: null });
  if (state.search) way("Clear the search", { search: "" });
  empty.append(ways);
}

/** Says what went wrong, in the server's words; tries again where that can help. */
function failed(error, wait, again) {
  clearTimeout(retry);
  const isTyping = error.status === 400 && document.activeElement === search;
  const tell = () => {
    notice = { isGone: error.status === 0 };
    const seconds = wait && Math.max(1, Math.round(wait / 1000));
    const told = error.status === 0 ? "The server does not answer" : error.message;
    byId("notice-text").textContent = told + (wait ? ". Trying again in " + seconds + " s." : "");
    byId("notice").hidden = false;
    byId("notice").classList.toggle("passing", error.isPassing);
    byId("notice-act").hidden = !wait;
    byId("notice-act").onclick = () => {
      clearTimeout(retry);
      again();
    };
    search.setAttribute("aria-invalid", error.status === 400);
    box.classList.toggle("stale", error.status === 400);
    changed();
  };
  // What is half typed is no mistake yet.
  if (isTyping) retry = setTimeout(tell, MISTAKE_MS);
  else tell();
  if (wait) retry = setTimeout(again, wait);
}

function quiet() {
  clearTimeout(retry);
  notice = null;
  byId("notice").hidden = true;
  search.removeAttribute("aria-invalid");
  box.classList.remove("stale");
}

// ---- One line

function open(row) {
  if (!row?.record) return;
  feed.pause();
  detail.show(row, list.marks);
  list.select(row);
  byId("main").classList.add("with-detail");
}

function closeDetail() {
  if (!detail.isOpen) return;
  const hadFocus = byId("detail").contains(document.activeElement);
  detail.hide();
  byId("main").classList.remove("with-detail");
  if (hadFocus) box.focus();
}

function move(by) {
  const row = list.neighbour(by);
  if (!row) return;
  feed.pause();
  list.select(row);
  if (detail.isOpen) detail.show(row, list.marks);
  const said = row.level + ", " + clock(row.ms, "second") + ", " + row.text.slice(0, 200);
  // A grid whose row is named by aria-activedescendant is read out only where it has the focus.
  if (document.activeElement !== box) say(said);
}

function context(row) {
  state = { ...state, seq: row.seq, context: true };
  history.pushState(null, "", "#" + toHash(state));
  enterContext(row.record);
}

function enterContext(record) {
  feed.enter(state, record, (row) => list.select(row, "middle"));
}

function leaveContext() {
  if (!feed.context) return;
  state = { ...state, seq: null, context: false };
  if (!feed.leave()) return run();
  history.pushState(null, "", location.pathname + location.search + "#" + toHash(state));
  list.marks = marks(state.search);
  list.refresh();
  say("Back at the search");
  changed();
}

function showContext() {
  const bar = byId("context");
  bar.hidden = !feed.context;
  if (!feed.context) return;
  const at = Date.parse(feed.context.record?._time ?? "");
  byId("context-name").textContent = "Lines around " + (at ? clock(at) : "that line") +
    ", whatever the search";
  byId("context-before").hidden = !list.hasOlder;
  byId("context-after").hidden = !list.hasNewer;
  byId("context-sender").checked = feed.context.ofSender;
}

// ---- Links and downloads

function linkTo(changes) {
  const { range } = state;
  // What is relative to now would be something else for whoever opens the link.
  const fixed = range.last ? { from: bounds(range, Date.now()).since, to: Date.now() } : range;
  const hash = toHash({ ...state, range: fixed, ...changes });
  return location.href.replace(/#.*/s, "") + (hash ? "#" + hash : "");
}

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without HTTPS there is no clipboard but this one.
    const area = element("textarea", "unseen");
    area.value = text;
    document.body.append(area);
    area.select();
    const isDone = document.execCommand("copy");
    area.remove();
    if (!isDone) return flash("Nothing was copied: the browser refuses it");
  }
  flash(what + " copied");
}

let flashing = 0;
function flash(text) {
  say(text);
  const status = byId("status");
  status.textContent = text;
  clearTimeout(flashing);
  flashing = setTimeout(() => {
    shownStatus = "";
    changed();
  }, 2000);
}

function download(format) {
  const asked = parameters(state);
  asked.set("limit", DOWNLOAD_LINES);
  if (format !== "ndjson") asked.set("format", format);
  const link = element("a");
  link.href = "api/query?" + asked;
  const ending = { ndjson: "ndjson", csv: "csv", raw: "log" }[format];
  link.download = "logcaster-" + new Date().toISOString().slice(0, 19).replace(/:/g, "") + "." +
    ending;
  link.click();
}

// ---- Keys

function toggleFollow() {
  if (feed.isFollowing) feed.pause();
  else goLive();
}

function goLive() {
  closeDetail();
  list.select(null);
  if (feed.context || state.seq != null || !feed.canFollow) {
    const range = state.range.to == null ? state.range : {};
    change({ range });
  } else {
    feed.resume();
  }
}

const KEYS = {
  "/": () => search.select(),
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  PageDown: () => move(list.page),
  PageUp: () => move(-list.page),
  g: toOldest,
  Home: toOldest,
  G: goLive,
  End: goLive,
  f: toggleFollow,
  c: () => list.selected && !feed.context && context(list.selected),
  w: () => byId("wrap").click(),
  Enter: () => (list.selected ? open(list.selected) : move(-1)),
  "?": () => byId("help").showModal(),
};
/** Keys that mean something else where something but the list has the focus. */
const LIST_KEYS = new Set([
  "ArrowDown", "ArrowUp", "PageDown", "PageUp", "Home", "End", "Enter",
]);

function toOldest() {
  feed.pause();
  if (list.hasOlder && !feed.context) {
    feed.oldest(state).then(() => list.select(list.first));
  } else {
    list.toStart();
    list.select(list.first);
  }
}

function escape() {
  if (detail.isOpen) closeDetail();
  else if (feed.context) leaveContext();
  else list.select(null);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const { target } = event;
  if (byId("help").open || target.closest("[popover]")) return;
  if (target.matches("input[type=text], input[type=datetime-local], textarea")) return;
  if (event.key === "Escape") return escape();
  const isOfList = target === box || target === document.body;
  if (LIST_KEYS.has(event.key) && !isOfList) return;
  const act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

search.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Enter") {
    clearTimeout(typing);
    change({ search: search.value.trim() });
  } else if (event.key === "Escape" || event.key === "ArrowDown") {
    event.preventDefault();
    box.focus();
  }
});

search.addEventListener("input", () => {
  byId("clear").hidden = !search.value;
  clearTimeout(typing);
  typing = setTimeout(() => {
    if (search.value.trim() !== state.search) {
      change({ search: search.value.trim() }, { push: false });
    }
  }, TYPING_MS);
});

// ---- Begin

run({ push: false });

byId("clear").addEventListener("click", () => {
  change({ search: "" });
  search.focus();
});
byId("unzoom").addEventListener("click", unzoom);
byId("follow").addEventListener("click", toggleFollow);
byId("waiting").addEventListener("click", goLive);
byId("skip").addEventListener("click", () => box.focus());
byId("context-back").addEventListener("click", leaveContext);
byId("context-before").addEventListener("click", () => feed.page("older"));
byId("context-after").addEventListener("click", () => feed.page("newer"));
byId("context-sender").addEventListener("change", (event) => {
  feed.context.ofSender = event.target.checked;
  feed.enter(state, feed.context.record, (row) => list.select(row, "middle"));
});

timeMenu({ range: () => state.range, bounds: () => hits, choose: chooseTime });
labelsMenu(filter);
helpDialog();
moreMenu({
  wrap: (on) => {
    list.isWrapped = on;
    document.documentElement.classList.toggle("wrapped", on);
    list.measure();
  },
  utc: (on) => {
    zone.utc = on;
    show();
    list.refresh();
    histogram.redraw();
  },
  copy: () => copy(linkTo({}), "Link"),
  download,
});

window.addEventListener("popstate", () => {
  state = fromHash(location.hash);
  closeDetail();
  feed.context = null;
  run({ push: false });
});

let hiding = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  // A browser opens six connections to a server: pages that nobody sees must not hold them.
  if (document.hidden) hiding = setTimeout(() => feed.closeTail(), HIDDEN_MS);
  else feed.catchUp();
});

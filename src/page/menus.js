// What opens over the page: time, labels, more, help.

import { json } from "./api.js";
import { LEVELS, SPANS, spanMs } from "./query.js";
import { clock, count, day, element, moment, parts, visible, zone } from "./text.js";

export const byId = (id) => document.getElementById(id);

const two = (number) => String(number).padStart(2, "0");

/** Settings of this browser; where it keeps nothing, they last as long as the page. */
export const settings = {
  read(name) {
    try {
      return localStorage.getItem("logcaster." + name);
    } catch {
      return null;
    }
  },
  write(name, value) {
    try {
      localStorage.setItem("logcaster." + name, value);
    } catch {
      // Private windows may refuse.
    }
  },
};

/** Puts a menu below its button, inside the window. */
function place(menu, opener) {
  const at = opener.getBoundingClientRect();
  const left = Math.min(at.left, window.innerWidth - menu.offsetWidth - 8);
  menu.style.setProperty("left", Math.max(8, left) + "px");
  menu.style.setProperty("top", at.bottom + 4 + "px");
  menu.style.setProperty("max-height", window.innerHeight - at.bottom - 16 + "px");
}

/** Calls `fill` whenever the menu opens. */
function onOpen(id, fill) {
  const menu = byId(id), opener = byId(id + "-open");
  opener.setAttribute("aria-haspopup", "dialog");
  menu.addEventListener("beforetoggle", (event) => {
    if (event.newState === "open") fill(menu);
  });
  menu.addEventListener("toggle", (event) => {
    const isOpen = event.newState === "open";
    opener.setAttribute("aria-expanded", isOpen);
    if (isOpen) place(menu, opener);
  });
}

function choice(label, isChosen, act) {
  const made = element("button", "", label);
  made.type = "button";
  if (isChosen) made.setAttribute("aria-current", "true");
  made.addEventListener("click", act);
  return made;
}

/** What a range is called. */
export function rangeName(range) {
  if (range.last) return "Last " + SPANS.find(([span]) => span === range.last)[1];
  const { from, to } = range;
  if (from == null && to == null) return "Everything";
  if (from == null) return "Until " + moment(to);
  if (to == null) return "Since " + moment(from);
  const isShort = to - from < 10000;
  const end = clock(to, isShort ? "ms" : "second");
  const start = day(from) + " " + clock(from, isShort ? "ms" : "second");
  return start + " – " + (day(from) === day(to) ? end : day(to) + " " + end);
}

/** A time as an input of that kind holds it. */
function inputValue(ms) {
  const at = parts(ms);
  return at.year + "-" + two(at.month) + "-" + two(at.day) + "T" + two(at.hour) + ":" +
    two(at.minute) + ":" + two(at.second);
}

function inputTime(input) {
  if (!input.value) return null;
  const ms = Date.parse(input.value + (zone.utc ? "Z" : ""));
  return Number.isNaN(ms) ? null : ms;
}

/** `range()` is what is shown now, `bounds()` its ends; `choose(range)` shows another. */
export function timeMenu({ range, bounds, choose }) {
  const close = () => byId("time").hidePopover();
  onOpen("time", () => {
    const now = range();
    const isAll = !now.last && now.from == null && now.to == null;
    const pick = (range) => () => {
      close();
      choose(range);
    };
    byId("time-spans").replaceChildren(
      choice("Everything", isAll, pick({})),
      ...SPANS.map(([span, name]) =>
        choice("Last " + name, now.last === span, pick({ last: span }))));
    const shown = bounds();
    const to = now.to ?? Date.now();
    const from = now.from ?? (now.last ? to - spanMs(now.last) : shown?.from ?? to - 3600000);
    byId("time-from").value = inputValue(from);
    byId("time-to").value = now.to == null ? "" : inputValue(to);
    byId("time-zone").textContent = zone.utc ? "In UTC. Without an end it goes on."
      : "In the time of this computer. Without an end it goes on.";
  });
  const apply = () => {
    const from = inputTime(byId("time-from")), to = inputTime(byId("time-to"));
    close();
    // The second that is named belongs to the range.
    choose({ ...(from != null && { from }), ...(to != null && { to: to + 999 }) });
  };
  byId("time-apply").addEventListener("click", apply);
  byId("time").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches("input")) apply();
  });
}

/** `filter(kind, name, value, excludes)` narrows the search. */
export function labelsMenu(filter) {
  const list = byId("labels-list");
  const line = (text) => list.replaceChildren(element("p", "dim", text));
  const values = async (name, box) => {
    if (box.childElementCount) return;
    try {
      const answer = await json("labels/" + encodeURIComponent(name));
      for (const { value, count: lines } of answer.values ?? []) {
        const made = element("button", "value");
        made.type = "button";
        made.title = visible(value);
        made.append(element("span", "", visible(value)), element("span", "dim", count(lines)));
        made.addEventListener("click", (event) => {
          byId("labels").hidePopover();
          filter("label", name, value, event.altKey);
        });
        box.append(made);
      }
      if (answer.more) box.append(element("p", "dim", count(answer.more) + " lines with others"));
    } catch (error) {
      box.append(element("p", "dim", error.message));
    }
  };
  onOpen("labels", async () => {
    line("…");
    try {
      const { labels = [] } = await json("labels");
      if (!labels.length) return line("No line has a label yet.");
      list.replaceChildren(...labels.map(({ name, values: number }, index) => {
        const made = element("details");
        const head = element("summary");
        head.append(element("span", "", visible(name)), element("span", "dim", count(number)));
        const box = element("div", "list");
        made.append(head, box);
        made.addEventListener("toggle", () => made.open && values(name, box));
        made.open = index === 0;
        return made;
      }));
    } catch (error) {
      line(error.message);
    }
  });
}

/** What can be set here: `wrap(on)`, `utc(on)`; `copy()` a link, `download(format)`. */
export function moreMenu({ wrap, utc, copy, download }) {
  const close = () => byId("menu").hidePopover();
  onOpen("menu", () => {});
  byId("copy-link").addEventListener("click", () => {
    close();
    copy();
  });
  for (const made of document.querySelectorAll("[data-download]")) {
    made.addEventListener("click", () => {
      close();
      download(made.dataset.download);
    });
  }
  for (const [id, act] of [["wrap", wrap], ["utc", utc]]) {
    const box = byId(id);
    box.checked = settings.read(id) === "yes";
    box.addEventListener("change", () => {
      settings.write(id, box.checked ? "yes" : "no");
      act(box.checked);
    });
    if (box.checked) act(true);
  }
  const theme = (name) => {
    if (name === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
  };
  for (const radio of document.querySelectorAll("[name=theme]")) {
    radio.checked = (settings.read("theme") ?? "auto") === radio.value;
    if (radio.checked) theme(radio.value);
    radio.addEventListener("change", () => {
      settings.write("theme", radio.value);
      theme(radio.value);
    });
  }
}

export function helpDialog() {
  const dialog = byId("help");
  byId("help-open").addEventListener("click", () => dialog.showModal());
  byId("help-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}

/** The chips of the levels; `pick(level, excludes)`. */
export class Chips {
  #box = byId("levels");
  #chips = new Map();
  #pick;

  constructor(pick) {
    this.#pick = pick;
  }

  /** `counts` is a Map; a level that was once there stays, so that nothing jumps. */
  show(counts, shown) {
    for (const level of LEVELS) {
      const number = counts.get(level) ?? 0;
      let chip = this.#chips.get(level);
      if (!chip && !number && !shown?.has(level)) continue;
      if (!chip) {
        chip = element("button", "chip");
        chip.type = "button";
        chip.dataset.level = level;
        chip.title = "Only " + level + ", click others to add them; Alt-click: all but it";
        chip.append(element("span", "", level), element("span", "number"));
        chip.addEventListener("click", (event) => this.#pick(level, event.altKey));
        this.#chips.set(level, chip);
        const next = LEVELS.slice(LEVELS.indexOf(level) + 1).map((other) =>
          this.#chips.get(other)).find(Boolean);
        this.#box.insertBefore(chip, next ?? null);
      }
      chip.lastChild.textContent = count(number);
      chip.classList.toggle("none", !number);
      chip.setAttribute("aria-pressed", shown !== null && shown.has(level));
      chip.classList.toggle("off", shown !== null && !shown.has(level));
    }
  }
}

// The details of one record: its whole text, its labels, and its fields unfolded.

import { labelsOf, valueText } from "./list.js";
import {
  ago, appendText, clock, count, cut, element, moment, visible, withoutColours,
} from "./text.js";

/** Characters shown at once of a text; the rest on demand. */
const TEXT_CHARACTERS = 20000;
const VALUE_CHARACTERS = 2000;

/** A text that may be too long to show at once; `isRaw` shows what terminals would not. */
function longText(className, text, marks, most, isRaw) {
  const box = element("pre", className);
  box.dir = "ltr";
  const clean = isRaw ? text : withoutColours(text).replace(/\r\n/g, "\n");
  const first = cut(clean, most);
  appendText(box, first, marks);
  if (first.length < clean.length) {
    const more = element("button", "link", "Show the other " +
      count(clean.length - first.length) + " characters");
    more.type = "button";
    more.addEventListener("click", () => {
      more.remove();
      appendText(box, clean.slice(first.length), marks);
    });
    box.append(more);
  }
  return box;
}

function button(label, className, title, act) {
  const made = element("button", className, label);
  made.type = "button";
  made.title = title;
  made.setAttribute("aria-label", title);
  made.addEventListener("click", act);
  return made;
}

export class Detail {
  #box;
  #on;
  row = null;

  /** `on` holds `filter(kind, name, value, excludes)`, `context(row)`, `link(row)`, `close()`,
   * `step(by)` and `copy(text, what)`. */
  constructor(box, on) {
    this.#box = box;
    this.#on = on;
  }

  get isOpen() {
    return !this.#box.hidden;
  }

  hide() {
    this.row = null;
    this.#box.hidden = true;
    this.#box.replaceChildren();
  }

  show(row, marks) {
    this.row = row;
    const { record } = row;
    const body = element("div", "detail-body");
    body.append(this.#when(row, record));
    body.append(longText("whole", String(record._msg ?? ""), marks, TEXT_CHARACTERS));
    const labels = labelsOf(record);
    body.append(this.#table("Labels", [
      ["level", "level", row.level], ...labels.map(([name, value]) => ["label", name, value]),
    ], marks));
    const fields = Object.entries(record.fields ?? {});
    if (fields.length) {
      const rows = fields.map(([name, value]) => ["field", name, value]);
      body.append(this.#table("Fields", rows, marks));
    }
    const raw = String(record.raw ?? record._msg ?? "");
    if (record.raw !== undefined || withoutColours(raw) !== raw) {
      const whole = element("details", "raw");
      whole.append(element("summary", "", "As it came"),
        longText("whole", raw, marks, TEXT_CHARACTERS, true));
      body.append(whole);
    }
    this.#box.replaceChildren(this.#head(row), body);
    this.#box.hidden = false;
  }

  #head(row) {
    const head = element("div", "detail-head");
    head.append(element("h2", "", "Line at " + clock(row.ms)));
    const on = this.#on;
    head.append(
      button("Context", "", "Show the lines around this one (c)", () => on.context(row)),
      button("Link", "", "Copy a link to this line", () => on.link(row)),
      button("Copy", "", "Copy the line as it came",
        () => on.copy(String(row.record.raw ?? row.record._msg ?? ""), "Line")),
      button("↑", "icon", "The line before (k)", () => on.step(-1)),
      button("↓", "icon", "The next line (j)", () => on.step(1)),
      button("×", "icon", "Close the details (Esc)", () => on.close()));
    return head;
  }

  #when(row, record) {
    const made = element("p", "when");
    const time = element("time", "", String(record._time));
    time.dateTime = String(record._time);
    const at = Date.parse(record._time);
    made.append(time, element("span", "dim", " came " + ago(at, Date.now()) + ", " + moment(at) +
      " as shown here"));
    if (record.event_time) {
      made.append(element("br"), element("span", "", String(record.event_time)),
        element("span", "dim", " is what the line says"));
    }
    made.append(element("br"), element("span", "dim", "Number " + row.seq));
    return made;
  }

  #table(name, rows, marks) {
    const made = element("table", "pairs");
    made.append(element("caption", "", name));
    const body = element("tbody");
    for (const [kind, key, value] of rows) {
      const row = element("tr");
      const head = element("th", "", visible(key));
      head.scope = "row";
      const cell = element("td");
      const isTree = value !== null && typeof value === "object";
      const text = isTree ? JSON.stringify(value, null, 2) : valueText(value);
      cell.append(longText(isTree ? "tree" : "value", text, marks, VALUE_CHARACTERS));
      const acts = element("td", "acts");
      const asked = valueText(value);
      // The server compares no longer ones.
      if (!isTree && asked.length <= 1000 && asked !== "") {
        const shown = visible(cut(key + "=" + asked, 80));
        acts.append(
          button("+", "icon", "Only " + shown, () => this.#on.filter(kind, key, asked, false)),
          button("−", "icon", "Without " + shown, () => this.#on.filter(kind, key, asked, true)));
      }
      acts.append(button("copy", "link", "Copy the value of " + visible(cut(key, 80)),
        () => this.#on.copy(asked, "Value")));
      row.append(head, cell, acts);
      body.append(row);
    }
    made.append(body);
    return made;
  }
}

// Fills the list: the newest lines first, older and newer pages as the reader scrolls, what comes
// from now on, and the lines around one line.

import { Backoff, Tail, records } from "./api.js";
import { notes, parameters } from "./query.js";

/** Lines asked for first, so that something stands there at once; and with each page. */
const FIRST = 300;
const PAGE = 1000;
/** Lines on either side of a line that a link names, and of a line whose context is shown. */
const AROUND = 150;
const CONTEXT = 20;
/** Lines that wait while the reader reads; then the tail is closed, and they are fetched later. */
const WAITING_MAX = 20000;
/** Lines that are fetched to go on where the tail was closed; with more we begin at the end. */
const CATCH_UP = 5000;

export class Feed {
  #list;
  #on;
  #state;
  #tail = null;
  #asking = null;
  #isPaging = { older: false, newer: false };
  /** The signal of the work that goes on where the tail ended, while there is some. */
  #catchingUp = null;
  #backoff = new Backoff();
  #tailBackoff = new Backoff();
  #tailTimer = 0;
  #saved = null;
  /** The context that is shown: its record and whether only its sender counts. */
  context = null;
  /** Lines that came while the end was out of view. */
  waiting = 0;
  /** Whether the server was still there when last heard of. */
  isGone = false;
  isLoading = false;

  /**
   * `on` holds `changed()`, `arrived(records)`, `failed(error, again)` and `said(text)`.
   */
  constructor(list, on) {
    this.#list = list;
    this.#on = on;
  }

  /** Whether lines that come can belong to what is shown. */
  get canFollow() {
    return !this.context && this.#state.range.to == null && !notes(this.#state.search).range;
  }

  get isFollowing() {
    return this.canFollow && this.#list.sticks && !this.#list.hasNewer;
  }

  get isCapped() {
    return this.waiting >= WAITING_MAX;
  }

  #begin(state) {
    this.#state = state;
    this.#asking?.abort();
    this.#asking = new AbortController();
    this.#isPaging = { older: false, newer: false };
    this.closeTail();
    this.waiting = 0;
    this.isLoading = true;
    this.#list.wantsEventTime = notes(state.search).eventTime;
    this.#on.changed();
    return this.#asking.signal;
  }

  /** Runs `work`; what goes wrong is told, with how to try again. */
  async #attempt(signal, again, work) {
    try {
      await work();
      if (signal.aborted) return;
      this.#backoff.reset();
      this.isGone = false;
    } catch (error) {
      if (signal.aborted || error.name === "AbortError") return;
      this.isGone = error.status === 0;
      const wait = error.retrySeconds ? error.retrySeconds * 1000 : this.#backoff.next();
      this.#on.failed(error, error.isPassing ? wait : null, again);
    } finally {
      if (!signal.aborted) {
        this.isLoading = false;
        this.#on.changed();
      }
    }
  }

  #asked(more) {
    const asked = this.context ? this.#contextParameters() : parameters(this.#state);
    for (const [name, value] of Object.entries(more)) asked.set(name, value);
    return asked;
  }

  #contextParameters() {
    const asked = new URLSearchParams();
    if (!this.context.ofSender) return asked;
    for (const name of ["host", "app"]) {
      const value = this.context.record?.[name];
      if (value) asked.append(name, value);
    }
    return asked;
  }

  /** Shows the newest lines and follows; what was there stays until the answer comes. */
  newest(state) {
    const signal = this.#begin(state);
    const list = this.#list;
    this.context = null;
    return this.#attempt(signal, () => this.newest(state), async () => {
      let got = 0;
      const clear = () => {
        list.hasOlder = list.hasNewer = false;
        list.sticks = true;
        list.clear();
      };
      for await (const batch of records(this.#asked({ order: "desc", limit: FIRST }), signal)) {
        if (!got) clear();
        got += batch.length;
        list.prepend(batch);
        this.#on.changed();
      }
      if (signal.aborted) return;
      if (!got) clear();
      list.hasOlder = got >= FIRST;
      list.draw();
      this.#follow();
    });
  }

  /** Shows the oldest lines. */
  oldest(state) {
    const signal = this.#begin(state);
    const list = this.#list;
    return this.#attempt(signal, () => this.oldest(state), async () => {
      const got = await this.#all({ order: "asc", limit: FIRST }, signal);
      list.sticks = false;
      list.clear();
      list.hasOlder = false;
      list.hasNewer = got.length >= FIRST;
      list.append(got);
      list.toStart();
    });
  }

  /** Shows the lines around the one with that number, which the search need not find. */
  around(state, select) {
    const signal = this.#begin(state);
    const list = this.#list;
    const { seq } = state;
    const most = this.context ? CONTEXT : AROUND;
    return this.#attempt(signal, () => this.around(state, select), async () => {
      const here = await this.#one(seq, signal);
      if (this.context) this.context.record ??= here;
      const [before, after] = await Promise.all([
        this.#all({ before: seq, order: "desc", limit: most }, signal),
        this.#all({ after: seq, order: "asc", limit: most }, signal),
      ]);
      list.sticks = false;
      list.hasOlder = list.hasNewer = false;
      list.clear();
      list.append([...before.reverse(), ...(here ? [here] : []), ...after]);
      list.hasOlder = before.length >= most;
      list.hasNewer = after.length >= most;
      const row = list.rows[list.indexOfSeq(seq)];
      if (row) {
        list.show(row, "middle");
        if (row.seq === seq) select(row);
      }
      if (!here) this.#on.said("That line is not kept any more");
      list.draw();
    });
  }

  /** The record with that number, whether the search finds it or not; null where it is gone. */
  async #one(seq, signal) {
    const asked = new URLSearchParams({ order: "asc", limit: 1 });
    if (seq > 0) asked.set("after", seq - 1);
    for await (const batch of records(asked, signal)) {
      return batch[0]?.seq === seq ? batch[0] : null;
    }
    return null;
  }

  async #all(more, signal) {
    const all = [];
    for await (const batch of records(this.#asked(more), signal)) all.push(...batch);
    return all;
  }

  /** Fetches the page before the first row, or behind the last; scrolling fetches none of a
   * context. */
  async page(side) {
    const list = this.#list;
    const edge = () => side === "older" ? list.firstSeq : list.lastSeq;
    const from = edge();
    if (this.isLoading || this.#isPaging[side] || from === null || !this.#asking) return;
    this.#isPaging[side] = true;
    const { signal } = this.#asking;
    const limit = this.context ? CONTEXT : PAGE;
    const place = side === "older" ? { before: from, order: "desc" }
      : { after: from, order: "asc" };
    this.#on.changed();
    try {
      const got = await this.#all({ ...place, limit }, signal);
      if (signal.aborted) return;
      this.isGone = false;
      this.#backoff.reset();
      // Rows were dropped at this end meanwhile: the page would not join the others.
      if (edge() !== from) return;
      if (side === "older") {
        list.hasOlder = got.length >= limit;
        list.prepend(got);
        // The newest rows were dropped: what comes would stand behind a hole.
        if (list.hasNewer) this.closeTail();
      } else {
        list.hasNewer = got.length >= limit;
        this.waiting = Math.max(0, this.waiting - got.length);
        list.append(got);
        if (!list.hasNewer) this.#follow();
      }
    } catch (error) {
      if (signal.aborted) return;
      const wait = this.#backoff.next();
      this.#on.failed(error, error.isPassing ? wait : null, () => list.draw());
      // Or the next frame would ask again.
      await new Promise((done) => setTimeout(done, wait));
    } finally {
      if (!signal.aborted) {
        this.#isPaging[side] = false;
        this.#on.changed();
        list.draw();
      }
    }
  }

  /** Whether a page is on its way. */
  get isPaging() {
    return this.#isPaging.older || this.#isPaging.newer;
  }

  #follow() {
    if (!this.canFollow || this.#tail || document.hidden) return;
    const after = this.#list.lastSeq;
    // Where nothing is shown, the newest lines are asked for: those of the range only.
    const asked = parameters(this.#state, { isTail: after !== null });
    this.#tail = new Tail(asked, after, {
      take: (list) => this.#take(list),
      opened: () => this.#tailBackoff.reset(),
      gone: () => {
        this.#tail = null;
        this.#tailTimer = setTimeout(() => this.catchUp(), this.#tailBackoff.next());
      },
    });
  }

  #take(batch) {
    const list = this.#list;
    // They are fetched when the reader comes there.
    if (list.hasNewer) return;
    if (!list.sticks) {
      this.waiting += batch.length;
      if (this.isCapped) {
        this.closeTail();
        list.hasNewer = true;
      }
    }
    list.append(batch);
    this.#on.arrived(batch);
    this.#on.changed();
  }

  closeTail() {
    const tail = this.#tail;
    this.#tail = null;
    clearTimeout(this.#tailTimer);
    tail?.close();
  }

  /** Stays where it is; what comes waits. */
  pause() {
    if (!this.#list.sticks) return;
    this.#list.sticks = false;
    this.#on.changed();
  }

  /** Goes to the end and stays there. */
  resume() {
    if (this.#list.hasNewer || !this.canFollow) return this.newest(this.#state);
    this.waiting = 0;
    this.#list.sticks = true;
    this.#list.toEnd();
    this.#follow();
    this.#on.changed();
  }

  /** Goes on where the tail ended, because nobody looked or the connection broke. */
  async catchUp() {
    const list = this.#list;
    if (!this.#state || !this.canFollow || this.#tail || list.hasNewer || this.isLoading) return;
    clearTimeout(this.#tailTimer);
    const { last } = list;
    if (!last || !this.#asking) return this.newest(this.#state);
    const { signal } = this.#asking;
    if (this.#catchingUp === signal) return;
    this.#catchingUp = signal;
    await this.#attempt(signal, () => this.catchUp(), async () => {
      const got = await this.#since(last, signal);
      if (signal.aborted || this.#tail || list.hasNewer) return;
      if (!got || got.length > CATCH_UP && list.sticks) return void this.newest(this.#state);
      list.hasNewer = got.length > CATCH_UP;
      if (!list.sticks) this.waiting += got.length;
      list.append(got);
      if (!list.hasNewer) this.#follow();
    });
    if (this.#catchingUp === signal) this.#catchingUp = null;
  }

  /** What came after a row; null where the server began anew, and its numbers mean other lines. */
  async #since(last, signal) {
    const place = last.seq > 0 ? { after: last.seq - 1 } : {};
    let got;
    try {
      got = await this.#all({ ...place, order: "asc", limit: CATCH_UP + 2 }, signal);
    } catch (error) {
      // All its numbers are lower: it began anew with another clock, or is another server. One that
      // only began anew goes on with higher numbers, for they begin at the time.
      if (error.status === 400) return null;
      throw error;
    }
    const isKept = got[0]?.seq === last.seq;
    if (isKept && got[0]._time !== last.record._time) return null;
    // Damaged ones behind the last record are shown already.
    const end = this.#list.lastSeq;
    return got.filter(({ seq, damaged }) => !((seq ?? damaged) <= end));
  }

  /** Shows the lines around a record, whatever the search; `leave` comes back. */
  enter(state, record, select) {
    if (!this.context) {
      const saved = { list: this.#list.save(), sticks: this.#list.sticks, state: this.#state };
      this.#saved = this.#state ? saved : null;
    }
    this.context = { record, ofSender: this.context?.ofSender ?? false };
    this.#list.marks = null;
    return this.around(state, select);
  }

  /** Comes back from the context to the search as it was; false where there was none. */
  leave() {
    const saved = this.#saved;
    this.context = this.#saved = null;
    if (!saved) return false;
    this.#begin(saved.state);
    this.isLoading = false;
    this.#list.sticks = saved.sticks;
    this.#list.restore(saved.list);
    this.catchUp();
    this.#on.changed();
    return true;
  }
}

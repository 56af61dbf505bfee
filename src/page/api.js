// Talks to the server: questions, the tail, and what to do when it does not answer.

/** What the server says is wrong, with the status of its answer; 0 where there is none. */
export class ApiError extends Error {
  constructor(status, text, retrySeconds) {
    super(text);
    this.status = status;
    this.retrySeconds = retrySeconds;
  }

  /** Whether the same request can succeed later. */
  get isPassing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

async function ask(path, parameters, signal) {
  const query = parameters ? parameters.toString() : "";
  let answer;
  try {
    answer = await fetch("api/" + path + (query ? "?" + query : ""), { signal, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "the server does not answer");
  }
  if (answer.ok) return answer;
  const text = await answer.text().catch(() => "");
  let said = text.slice(0, 1000).trim() || "the server answered " + answer.status;
  try {
    said = JSON.parse(text).error ?? said;
  } catch {
    // Another server in between may answer with a text.
  }
  const retry = Number(answer.headers.get("Retry-After"));
  throw new ApiError(answer.status, String(said), retry > 0 ? retry : undefined);
}

/** An answer that is one JSON value. */
export async function json(path, parameters, signal) {
  const answer = await ask(path, parameters, signal);
  try {
    return await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "the answer of the server broke off");
  }
}

/**
 * Records as they come, in lists; among them `{lost}` and `{damaged}` for those that are not there.
 * An error that the server finds on its way is thrown.
 */
export async function* records(parameters, signal) {
  const answer = await ask("query", parameters, signal);
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    let piece;
    try {
      piece = await reader.read();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError(0, "the answer of the server broke off");
    }
    const lines = (rest + decoder.decode(piece.value, { stream: !piece.done })).split("\n");
    rest = piece.done ? "" : lines.pop();
    const list = [];
    for (const line of lines) {
      const value = line ? read(line) : null;
      if (isShown(value)) {
        list.push(value);
      } else if (value?.error !== undefined) {
        if (list.length) yield list;
        throw new ApiError(500, String(value.error));
      }
    }
    if (list.length) yield list;
    if (piece.done) return;
  }
}

/** Whether an object is a record, or says that there were some. */
const isShown = (value) =>
  value !== null && [value.seq, value.lost, value.damaged].some((n) => typeof n === "number");

/** One line of an answer; null where it is none. */
function read(line) {
  try {
    const value = JSON.parse(line);
    return value && typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

/** Waits longer each time, up to half a minute, and not in step with other pages. */
export class Backoff {
  #tries = 0;

  /** Milliseconds to wait. */
  next() {
    const most = Math.min(30000, 500 * 2 ** this.#tries++);
    return most / 2 + Math.random() * most / 2;
  }

  reset() {
    this.#tries = 0;
  }
}

/** What comes from now on, in batches of at most one a frame. */
export class Tail {
  #source;
  #queue = [];
  #isDue = false;
  #take;

  /**
   * `after` is the number of the newest record that is known, or null; `take` gets lists of
   * records, `opened` is called when the server answers, `gone` once when it is no longer there.
   */
  constructor(parameters, after, { take, opened, gone }) {
    const asked = new URLSearchParams(parameters);
    // Where no record is known, the newest are asked for: one may have come since the last answer.
    if (after === null) asked.set("n", "500");
    else asked.set("after", after);
    this.#take = take;
    const source = this.#source = new EventSource("api/tail?" + asked);
    source.onopen = opened;
    for (const kind of ["message", "lost", "damaged"]) {
      source.addEventListener(kind, (event) => this.#push(event.data));
    }
    // The browser would ask again from where it began, and not where the server refuses; who has
    // the list knows better where to go on.
    source.onerror = () => {
      this.close();
      gone();
    };
  }

  #push(data) {
    this.#queue.push(data);
    if (this.#isDue) return;
    this.#isDue = true;
    // A tab that nobody sees gets no frames.
    if (document.hidden) setTimeout(() => this.#flush(), 250);
    else requestAnimationFrame(() => this.#flush());
  }

  #flush() {
    this.#isDue = false;
    const list = this.#queue.map(read).filter(isShown);
    this.#queue = [];
    if (list.length) this.#take(list);
  }

  close() {
    this.#source.close();
    this.#flush();
  }
}

// The tail at a thousand lines a second, pausing, and a list of 100,000 rows.

import net from "node:net";
import {
  assert, check, closePage, found, hasTotal, openPage, rows, run, send, sender, shot, sleep, until,
  url, watched,
} from "./support.mjs";

const A_SECOND = 1000;
const SECONDS = 10;

/** Sends numbered lines at an even rate; gives back when the last one went out. */
async function stream(tag, count, from = 0) {
  const to = await sender();
  const begun = performance.now();
  for (let n = from; n < from + count; ) {
    const due = from + Math.min(count, Math.floor((performance.now() - begun) * A_SECOND / 1000));
    if (due > n) {
      await to.send([...Array(due - n)].map((_, at) => "INFO " + tag + " tick " + (n + at)));
      n = due;
    }
    await sleep(5);
  }
  await to.close();
  return performance.now() - begun;
}

const follows = async (page) => (await page.getAttribute("#follow", "aria-pressed")) === "true";

const lastTick = (page) => page.evaluate(() => {
  const row = [...document.querySelectorAll(".space .row")].at(-1);
  return row ? Number(row.querySelector(".message").textContent.split(" ").pop()) : -1;
});

/** Goes through the list from the start, and reads every row that the page draws on its way. */
const allTicks = (page) => page.evaluate(async () => {
  const box = document.getElementById("log");
  const seen = new Set();
  let order = 0, last = -1;
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  // Older pages come before the first row: the start is where there are none.
  for (;;) {
    box.scrollTop = 0;
    await frame();
    if (box.getAttribute("aria-rowcount") !== "-1") break;
  }
  for (let top = 0; ; top += box.clientHeight * 0.8) {
    box.scrollTop = top;
    await frame();
    await frame();
    for (const row of document.querySelectorAll(".space .row")) {
      const tick = Number(row.querySelector(".message").textContent.split(" ").pop());
      if (tick > last) {
        if (tick !== last + 1) order++;
        last = tick;
      }
      seen.add(tick);
    }
    if (top > box.scrollHeight) return { seen: seen.size, gaps: order, last };
  }
});

async function tailing(browser) {
  const tag = "tail" + run, count = A_SECOND * SECONDS;
  const page = await openPage(browser, { hash: "#q=" + tag });
  await until("live", () => follows(page));
  await page.locator("#empty").waitFor();
  await page.evaluate(() => {
    window.seen.long = [];
    window.frames = 0;
    const frame = () => {
      window.frames++;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  const took = await stream(tag, count);
  const shown = Date.now();
  await until("the last line", async () => (await lastTick(page)) === count - 1);
  const behind = Date.now() - shown;
  const { long, frames } = await page.evaluate(() => ({ long: window.seen.long,
    frames: window.frames }));
  await shot(page, "live");
  assert.ok(await follows(page), "it still follows");
  const { seen, gaps, last } = await allTicks(page);
  assert.deepEqual({ seen, gaps, last }, { seen: count, gaps: 0, last: count - 1 });
  await hasTotal(page, count);
  await closePage(page);
  return count + " lines in " + Math.round(took) + " ms, " + seen + " shown, 0 missing; the last " +
    behind + " ms after it was sent; " + Math.round(frames / took * 1000) +
    " frames/s; longest task " + Math.max(0, ...long) + " ms";
}

async function pausing(browser) {
  const tag = "pause" + run;
  await send([...Array(500)].map((_, n) => "INFO " + tag + " tick " + n), tag);
  const page = await openPage(browser, { hash: "#q=" + tag });
  await hasTotal(page, 500);
  const box = await page.locator("#log").boundingBox();
  await page.mouse.move(box.x + 300, box.y + 200);
  await page.mouse.wheel(0, -900);
  await until("paused", async () => !(await follows(page)));
  await sleep(300);
  const top = () => page.evaluate(() => {
    const edge = document.getElementById("log").getBoundingClientRect().top;
    return [...document.querySelectorAll(".space .row")]
      .find((row) => row.getBoundingClientRect().bottom > edge).textContent;
  });
  const before = await top();
  await stream(tag, 2000, 500);
  await until("2,000 wait", async () =>
    (await page.textContent("#waiting")).startsWith("2,000 new lines"));
  assert.equal(await top(), before, "what is read does not move");
  await shot(page, "paused");
  await page.click("#waiting");
  await until("live again", () => follows(page));
  await until("at the end", async () => (await lastTick(page)) === 2499);
  assert.ok(await page.locator("#waiting").isHidden());
  await page.keyboard.press("f");
  assert.ok(!(await follows(page)));
  await stream(tag, 50, 2500);
  await until("50 wait", async () => (await page.textContent("#waiting")).startsWith("50 "));
  await page.keyboard.press("f");
  await until("the last", async () => (await lastTick(page)) === 2549);
  const { seen, gaps } = await allTicks(page);
  assert.deepEqual({ seen, gaps }, { seen: 2550, gaps: 0 });
  await closePage(page);
  return "2,000 lines waited, nothing moved, none was missing";
}

/** A way to the server that can be cut. */
async function wire() {
  const { hostname, port } = new URL(url);
  const open = new Set();
  let isCut = false;
  const server = net.createServer((near) => {
    if (isCut) return near.destroy();
    const far = net.connect(Number(port), hostname.replace(/^\[|\]$/g, ""));
    for (const [one, other] of [[near, far], [far, near]]) {
      open.add(one);
      one.on("error", () => {});
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
    }
    near.pipe(far).pipe(near);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: "http://127.0.0.1:" + server.address().port + "/",
    cut: () => {
      isCut = true;
      for (const socket of open) socket.destroy();
    },
    mend: () => {
      isCut = false;
    },
    close: () => server.close(),
  };
}

/** The connection is cut while lines come: what came meanwhile is there when it is back. */
async function broken(browser) {
  const tag = "cut" + run, count = 3000;
  const way = await wire();
  const page = await openPage(browser, { hash: "#q=" + tag, at: way.url });
  await until("live", () => follows(page));
  await page.locator("#empty").waitFor();
  const sent = stream(tag, count);
  await sleep(800);
  way.cut();
  await sleep(900);
  const said = await page.textContent("#status");
  way.mend();
  await sent;
  await until("the last line", async () => (await lastTick(page)) === count - 1, 20000);
  const { seen, gaps } = await allTicks(page);
  assert.deepEqual({ seen, gaps }, { seen: count, gaps: 0 });
  assert.match(said, /^No connection/);
  assert.ok(await page.locator("#notice").isHidden());
  await closePage(page);
  way.close();
  return count + " lines, the connection cut after 800 ms for 900 ms, none missing";
}

async function hundredThousand(browser) {
  const tag = "many" + run, count = 100000;
  const lines = [...Array(count)].map((_, n) =>
    "INFO " + tag + " " + "abcdefgh ".repeat(n % 20) + "tick " + n);
  await send(lines, tag);
  assert.equal(await found(tag), count);
  const page = await openPage(browser, { hash: "#q=" + tag });
  await rows(page).first().waitFor();
  await until("the end", async () => (await lastTick(page)) === count - 1);
  await sleep(500);
  await page.evaluate(() => {
    window.seen.long = [];
  });
  const box = await page.locator("#log").boundingBox();
  await page.mouse.move(box.x + 300, box.y + 200);
  const begun = Date.now();
  let most = 0;
  // A wheel turned as fast as it goes: older pages come as it turns.
  for (;;) {
    await page.mouse.wheel(0, -3000);
    const here = Number((await page.textContent("#status")).replace(/ lines? here.*/, "")
      .replace(/\D/g, ""));
    most = Math.max(most, here);
    if (here >= count && await page.evaluate(() => document.getElementById("log").scrollTop < 1)) {
      break;
    }
    assert.ok(Date.now() - begun < 240000, "only " + most + " lines after 240 s");
  }
  const wheel = Date.now() - begun;
  const drawn = await rows(page).count();
  assert.ok(drawn < 200, drawn + " rows in the document");
  const jumps = await page.evaluate(async () => {
    const log = document.getElementById("log");
    const times = [];
    for (let n = 0; n < 60; n++) {
      const begun = performance.now();
      log.scrollTop = (n * 7919 % 100) / 100 * log.scrollHeight;
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
      times.push(performance.now() - begun);
    }
    return Math.round(Math.max(...times));
  });
  const scrolling = await page.evaluate(() => window.seen.long.splice(0));
  await page.keyboard.press("w");
  await sleep(300);
  await page.keyboard.press("w");
  await sleep(300);
  const wrapping = await page.evaluate(() => window.seen.long);
  const long = [...scrolling, ...wrapping];
  if (process.env.LOGCASTER_TRACE) console.log("long tasks", { scrolling, wrapping });
  const longest = Math.max(0, ...long);
  await closePage(page);
  assert.ok(longest <= 100, "a task took " + longest + " ms (" + long.join(", ") + ")");
  return count + " rows by wheel in " + wheel + " ms, " + drawn +
    " in the document, longest task " + longest + " ms, longest jump " + jumps + " ms";
}

/** The tail of a range in which nothing is found asks for the newest lines of that range only. */
async function emptyRange(browser) {
  const page = await openPage(browser, { hash: "#q=none" + run + "&last=5m" });
  const tail = await until("a tail", () =>
    watched.requests.find((asked) => asked.includes("api/tail?q=none" + run)));
  assert.equal(new URL(tail).searchParams.get("since"), "-5m");
  await closePage(page);
}

/** Pages of damaged records only: each is asked for once, and the paging comes to its end. */
async function damagedPages(browser) {
  const page = await openPage(browser, { hash: "#q=none" + run });
  await page.locator("#empty").waitFor();
  const asked = [];
  await page.route("**/api/query?*", (route) => {
    const given = new URL(route.request().url()).searchParams;
    const before = Number(given.get("before") ?? 3000), limit = Number(given.get("limit"));
    asked.push(before);
    const seqs = [...Array(Math.min(limit, before))].map((_, n) => before - 1 - n);
    const body = seqs.map((seq) => JSON.stringify(seq < 2750 ? { damaged: seq } :
      { seq, _time: new Date().toISOString(), _msg: "line " + seq }));
    route.fulfill({ contentType: "application/x-ndjson", body: body.join("\n") + "\n" });
  });
  await page.fill("#search", "damaged" + run);
  await page.press("#search", "Enter");
  await until("some lines", async () => (await rows(page).count()) > 0);
  await until("the start", () => page.evaluate(() => {
    const box = document.getElementById("log");
    box.scrollTop = 0;
    return Number(box.getAttribute("aria-rowcount")) >= 3000;
  }));
  await sleep(300);
  assert.deepEqual([...new Set(asked)], [3000, 2700, 1700, 700]);
  assert.equal(asked.filter((before) => before < 3000).length, 3, "each page once");
  await closePage(page);
}

export async function live(browser) {
  await check("a tail of 1,000 lines/s has no gap", () => tailing(browser));
  await check("the tail pauses by scrolling and by f, and says how many wait",
    () => pausing(browser));
  await check("a tail that breaks off goes on without a gap", () => broken(browser));
  await check("the tail of an empty range stays within it", () => emptyRange(browser));
  await check("damaged records are paged over", () => damagedPages(browser));
  await check("100,000 rows scroll without a long task", () => hundredThousand(browser));
}

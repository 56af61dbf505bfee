// Search, levels, filters, time, context, links, downloads, mistakes.

import { readFile } from "node:fs/promises";
import {
  assert, check, closePage, hasTotal, messages, openPage, rows, run, searchFor, send, shot, sleep,
  until, url, watched,
} from "./support.mjs";

const tag = "search" + run;

function lines() {
  const made = [];
  for (let n = 0; n < 300; n++) {
    const level = n % 10 === 0 ? "ERROR" : n % 5 === 0 ? "WARNING" : "INFO";
    if (n % 3 === 0) {
      made.push(JSON.stringify({
        level: level.toLowerCase(), msg: tag + " request " + n, status: n % 2 ? 200 : 503,
        user: { name: "bob " + (n % 4) }, tags: ["a", "b"],
      }));
    } else {
      made.push(level + " " + tag + " plain line " + n + (n === 100 ? " needle" : ""));
    }
  }
  return made;
}

async function fastStart(browser) {
  const times = [];
  const page = await openPage(browser);
  // A browser that has just been started is busy with itself.
  await sleep(2000);
  for (let n = 0; n < 7; n++) {
    await page.goto("about:blank");
    await page.goto(url);
    await rows(page).first().waitFor();
    times.push(await page.evaluate(() => window.seen.firstRow));
  }
  await closePage(page);
  times.sort((a, b) => a - b);
  const median = Math.round(times[3]);
  assert.ok(median < 200, "first lines after " + times.map(Math.round).join(", ") + " ms");
  return "first lines " + median + " ms after the navigation began (median of 7; " +
    times.map(Math.round).join(", ") + ")";
}

async function typing(page) {
  const before = watched.requests.length;
  await page.focus("#search");
  await page.keyboard.type(tag + " needle", { delay: 25 });
  await hasTotal(page, 1);
  await until("one row", async () => (await rows(page).count()) === 1);
  const asked = watched.requests.slice(before).filter((to) => to.includes("/api/query")).length;
  assert.ok(asked <= 5, asked + " requests for " + (tag.length + 7) + " keys");
  assert.ok((await messages(page))[0].includes("needle"));
  assert.deepEqual(await page.locator(".row mark").allTextContents(), [tag, "needle"]);
  assert.ok(page.url().includes("q=" + tag), page.url());
  return asked + " requests for " + (tag.length + 7) + " keys";
}

async function levels(page) {
  await searchFor(page, tag, 300);
  const chip = page.locator('.chip[data-level="error"]');
  assert.equal(await chip.locator(".number").textContent(), "30");
  await chip.click();
  await hasTotal(page, 30);
  const shown = () => page.evaluate(() =>
    [...new Set([...document.querySelectorAll(".space .row")].map((row) => row.dataset.level))]);
  await until("only errors", async () => (await shown()).join() === "error");
  assert.equal(await chip.getAttribute("aria-pressed"), "true");
  await page.click('.chip[data-level="warning"]');
  await hasTotal(page, 60);
  await page.click('.chip[data-level="warning"]');
  await chip.click();
  await hasTotal(page, 300);
  await page.click('.chip[data-level="info"]', { modifiers: ["Alt"] });
  await hasTotal(page, 60);
  await until("no info", async () => (await shown()).sort().join() === "error,warning");
  await page.goBack();
  await hasTotal(page, 300);
}

async function filters(page) {
  await searchFor(page, tag, 300);
  await until("rows", async () => (await rows(page).count()) > 10);
  const pair = page.locator('.row .pair:has-text("status=503")').first();
  await pair.click();
  await hasTotal(page, 50);
  assert.ok((await page.inputValue("#search")).includes("field.status=503"));
  await page.locator('.row .pair:has-text("user.name=bob 0")').first()
    .click({ modifiers: ["Alt"] });
  await until("excluded", async () =>
    (await page.inputValue("#search")).includes('field.user.name!="bob 0"'));
  await until("fewer", async () =>
    Number((await page.textContent("#total")).replace(/\D/g, "")) < 50);
  await searchFor(page, tag, 300);
  await until("rows", async () => (await rows(page).count()) > 10);
  await page.locator(".row .source .host").first().click();
  await until("a label", async () => /(^| )host=/.test(await page.inputValue("#search")));
  await hasTotal(page, 300);
}

async function details(page) {
  await searchFor(page, tag + " request 299 ", 0);
  await searchFor(page, tag + ' "request 297"', 1);
  await rows(page).first().click({ position: { x: 20, y: 8 } });
  const pane = page.locator("#detail");
  await pane.waitFor();
  const text = await pane.innerText();
  for (const part of ["status", "200", "user.name", "bob 1", "As it came"]) {
    assert.ok(text.includes(part), part + " is not in the details");
  }
  await pane.locator('button[aria-label="Only status=200"]').click();
  await until("filtered", async () =>
    (await page.inputValue("#search")).includes("field.status=200"));
  await shot(page, "details");
  await page.focus("#log");
  await page.keyboard.press("Escape");
  await pane.waitFor({ state: "hidden" });
}

/** Drags over the left part of the bars: what came in the first batch must be left. */
async function zoom(browser) {
  const early = "early" + run, late = "late" + run;
  await send([...Array(40)].map((_, n) => "INFO " + early + " " + n), early);
  await sleep(1200);
  await send([...Array(40)].map((_, n) => "ERROR " + late + " " + n), late);
  const page = await openPage(browser, {
    hash: "#q=" + encodeURIComponent("keywords=" + early + "," + late + " operator=OR"),
  });
  await hasTotal(page, 80);
  // All of the log may be long: first a range in which the two batches stand apart.
  const first = await firstTime(page, early), last = await firstTime(page, late);
  const from = new Date(first - 200).toISOString(), to = new Date(last + 800).toISOString();
  await page.evaluate(([from, to]) => {
    location.hash = location.hash + "&from=" + from + "&to=" + to;
  }, [from, to]);
  await hasTotal(page, 80);
  const box = await page.locator("#histogram").boundingBox();
  const cut = (last - first + 200 - 300) / (last - first + 1000);
  await page.mouse.move(box.x + 2, box.y + 30);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * cut * 0.5, box.y + 30, { steps: 5 });
  await page.mouse.move(box.x + box.width * cut, box.y + 30, { steps: 5 });
  await shot(page, "zoom");
  await page.mouse.up();
  await hasTotal(page, 40);
  await until("only the early ones", async () =>
    (await messages(page)).every((text) => text.includes(early)));
  await page.click("#unzoom");
  await hasTotal(page, 80);
  await page.focus("#histogram");
  await page.keyboard.press("Home");
  for (let n = 0; n < 6; n++) await page.keyboard.press("Shift+ArrowRight");
  const said = await page.getAttribute("#histogram", "aria-valuetext");
  assert.match(said, /\d{4}-\d\d-\d\d .* lines?/);
  const count = await page.locator("#histogram").getAttribute("aria-valuemax");
  await page.keyboard.press("Enter");
  await until("zoomed by keys", () => page.locator("#time-name").textContent()
    .then((name) => /–/.test(name)));
  await page.keyboard.press("Backspace");
  await hasTotal(page, 80);
  await closePage(page);
  return "80 lines, 40 within; " + (Number(count) + 1) + " buckets";
}

const firstTime = (page, word) => page.evaluate(async (word) => {
  const answer = await fetch("api/query?limit=1&q=" + word);
  return Date.parse(JSON.parse(await answer.text())._time);
}, word);

async function surroundings(browser) {
  const page = await openPage(browser, { hash: "#q=" + tag + "+needle" });
  await hasTotal(page, 1);
  await page.focus("#log");
  await page.keyboard.press("k");
  await page.keyboard.press("c");
  await until("41 lines", async () =>
    (await page.locator("#log").getAttribute("aria-rowcount")) !== "1" &&
    (await page.textContent("#status")).startsWith("41 lines"));
  const numbers = await page.evaluate(() => {
    const chosen = document.querySelector('.row[aria-selected="true"]');
    return [chosen.textContent, chosen.getAttribute("aria-rowindex")];
  });
  assert.ok(numbers[0].includes("needle"), numbers[0]);
  assert.equal(numbers[1], "21");
  await shot(page, "context");
  await page.click("#context-before");
  await until("61 lines", async () => (await page.textContent("#status")).startsWith("61 lines"));
  await page.focus("#log");
  await page.keyboard.press("Escape");
  await until("back", async () => (await page.textContent("#status")).startsWith("1 line "));
  await closePage(page);
  return "20 before, 20 after, 20 more";
}

async function links(browser) {
  const page = await openPage(browser, {
    hash: "#q=" + tag, permissions: ["clipboard-read", "clipboard-write"],
  });
  await hasTotal(page, 300);
  await page.keyboard.press("k");
  await page.keyboard.press("k");
  await page.keyboard.press("Enter");
  await page.click('#detail button[aria-label="Copy a link to this line"]');
  const link = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(link, /#q=.*&seq=\d+$/);
  const chosen = await page.locator('.row[aria-selected="true"] .message').textContent();
  await page.goto("about:blank");
  await page.goto(link);
  await page.locator("#detail").waitFor();
  assert.equal(await page.locator('.row[aria-selected="true"] .message').textContent(), chosen);
  await closePage(page);
}

async function downloads(page) {
  await searchFor(page, tag, 300);
  const sizes = [];
  for (const format of ["ndjson", "csv", "raw"]) {
    await page.click("#menu-open");
    const waiting = page.waitForEvent("download");
    await page.click('[data-download="' + format + '"]');
    const text = await readFile(await (await waiting).path(), "utf8");
    const lines = text.trimEnd().split(/\r?\n/).length;
    assert.equal(lines, format === "csv" ? 301 : 300, format + " has " + lines + " lines");
    sizes.push(format + " " + text.length + " bytes");
  }
  return sizes.join(", ");
}

async function mistakes(page) {
  await searchFor(page, "level=nonsense");
  await page.locator("#notice").waitFor();
  const said = await page.textContent("#notice-text");
  assert.match(said, /nonsense.*allowed/);
  await shot(page, "mistake");
  await searchFor(page, tag, 300);
  await page.locator("#notice").waitFor({ state: "hidden" });
  await searchFor(page, "nowhere" + run, 0);
  await page.locator("#empty").waitFor();
  assert.match(await page.textContent("#empty"), /No line matches/);
  await shot(page, "empty");
  await page.click("#empty button");
  await rows(page).first().waitFor();
}

async function gone(page) {
  await page.route("**/api/**", (route) => route.abort());
  await searchFor(page, tag + " needle");
  await page.locator("#notice").waitFor();
  assert.match(await page.textContent("#notice-text"), /does not answer. Trying again in \d+ s/);
  await shot(page, "gone");
  await page.unroute("**/api/**");
  await until("back by itself", async () => (await rows(page).count()) === 1, 15000);
  await page.locator("#notice").waitFor({ state: "hidden" });
}

async function keyboard(browser) {
  const page = await openPage(browser, { hash: "#q=" + tag });
  await hasTotal(page, 300);
  const chosen = () => page.evaluate(() => {
    const row = document.querySelector('.row[aria-selected="true"]');
    return row && Number(row.getAttribute("aria-rowindex"));
  });
  const isChosen = (row) => until("row " + row, async () => (await chosen()) === row);
  await page.keyboard.press("k");
  const first = await until("a row", chosen);
  await page.keyboard.press("k");
  await isChosen(first - 1);
  await page.keyboard.press("j");
  await isChosen(first);
  await page.keyboard.press("g");
  await isChosen(1);
  await page.keyboard.press("Enter");
  await page.locator("#detail").waitFor();
  await page.keyboard.press("j");
  await isChosen(2);
  await page.keyboard.press("Escape");
  await page.locator("#detail").waitFor({ state: "hidden" });
  await page.keyboard.press("c");
  await page.locator("#context").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("#context").waitFor({ state: "hidden" });
  const pressed = () => page.getAttribute("#follow", "aria-pressed");
  assert.equal(await pressed(), "false");
  await page.keyboard.press("G");
  await until("live", async () => (await pressed()) === "true");
  await page.keyboard.press("f");
  await until("paused", async () => (await pressed()) === "false");
  await page.keyboard.press("f");
  await until("live", async () => (await pressed()) === "true");
  await page.keyboard.press("?");
  await page.locator("#help").waitFor();
  await shot(page, "help");
  await page.keyboard.press("Escape");
  await page.locator("#help").waitFor({ state: "hidden" });
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.id), "search");
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement.id), "log");
  await closePage(page);
}

async function menus(page) {
  await page.click("#time-open");
  await page.locator("#time").waitFor();
  await shot(page, "time");
  await page.click('#time-spans button:has-text("15 minutes")');
  await until("a range", async () => page.url().includes("last=15m"));
  await until("named", async () => (await page.textContent("#time-name")) === "Last 15 minutes");
  await page.click("#labels-open");
  await page.locator("#labels .value").first().waitFor();
  await shot(page, "labels");
  await page.locator("#labels .value").first().click();
  await until("a label", async () => (await page.inputValue("#search")).includes("="));
  await page.click("#unzoom");
}

export async function searching(browser) {
  await send(lines(), tag);
  await check("the page shows lines within 200 ms", () => fastStart(browser));
  const page = await openPage(browser);
  await rows(page).first().waitFor();
  await check("search as you type asks little and marks what it finds", () => typing(page));
  await check("level chips narrow, add and exclude", () => levels(page));
  await check("a click on a field or label filters, with Alt it excludes", () => filters(page));
  await check("details unfold the fields of a JSON line", () => details(page));
  await check("the histogram zooms by dragging and by keys, and back", () => zoom(browser));
  await check("a hit shows 20 lines on either side", () => surroundings(browser));
  await check("a link opens the same line", () => links(browser));
  await check("what is found can be downloaded", () => downloads(page));
  await check("time and labels are chosen from menus", () => menus(page));
  await check("mistakes are told in the server's words, nothing found is said",
    () => mistakes(page));
  await check("a server that does not answer is tried again", () => gone(page));
  await closePage(page);
  await check("all of it works by keys", () => keyboard(browser));
  await check("every request went to " + url, () => {
    assert.deepEqual(watched.foreign, []);
    return watched.requests.length + " requests";
  });
}

// What the checks share: the browser, senders of lines, and how a check is told.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";

export { assert, sleep };

export const url = (process.env.LOGCASTER_URL ?? "http://127.0.0.1:9090").replace(/\/*$/, "/");
const logPort = Number(process.env.LOGCASTER_LOG_PORT ?? 9999);
const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
export const shots = new URL("../../target/screenshots/", import.meta.url).pathname;
mkdirSync(shots, { recursive: true });

/** A word that stands in no line but those of this run. */
export const run = "r" + Date.now().toString(36) + Math.floor(Math.random() * 1296).toString(36);

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });

/** A connection that takes lines. */
export async function sender() {
  const socket = net.connect(logPort, host);
  await new Promise((done, fail) => socket.once("connect", done).once("error", fail));
  return {
    send: (lines) => new Promise((done) => {
      const text = [].concat(lines).join("\n") + "\n";
      if (socket.write(text)) done();
      else socket.once("drain", done);
    }),
    close: () => new Promise((done) => {
      socket.once("close", done);
      socket.resume();
      socket.end();
    }),
  };
}

export async function sendLines(lines) {
  const to = await sender();
  for (let at = 0; at < lines.length; at += 1000) await to.send(lines.slice(at, at + 1000));
  await to.close();
}

/** How many lines the server has that match, asked without the page. */
export async function found(search) {
  const asked = new URLSearchParams({ q: search, buckets: "1" });
  const answer = await fetch(url + "api/hits?" + asked);
  assert.equal(answer.status, 200, "api/hits answers " + answer.status);
  return (await answer.json()).total;
}

/** Waits until `look` says something true, and gives it back. */
export async function until(what, look, most = 10000) {
  const end = Date.now() + most;
  for (let last; ; await sleep(30)) {
    last = await look();
    if (last) return last;
    assert.ok(Date.now() < end, "not within " + most + " ms: " + what);
  }
}

export async function send(lines, search) {
  await sendLines(lines);
  await until(lines.length + " lines stored", async () => (await found(search)) >= lines.length,
    60000);
}

/** What the page did that it must not, and what it asked for, of every page of this run. */
export const watched = { violations: [], dialogs: [], errors: [], foreign: [], requests: [] };

function watch(page, own) {
  page.on("dialog", (dialog) => {
    watched.dialogs.push(dialog.message());
    dialog.dismiss();
  });
  page.on("pageerror", (error) => watched.errors.push(error.stack));
  page.on("console", (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) {
      watched.violations.push(message.text());
    }
  });
  page.on("request", (request) => {
    watched.requests.push(request.url());
    const isOurs = new URL(request.url()).origin === own || /^(blob|data):/.test(request.url());
    if (!isOurs) watched.foreign.push(request.url());
  });
}

/** Counts in the page what only the page can see: violations of its policy, and long tasks. */
function instrument() {
  window.seen = { violations: [], long: [], firstRow: 0 };
  document.addEventListener("securitypolicyviolation", (event) =>
    window.seen.violations.push(event.violatedDirective + " " + event.blockedURI));
  new PerformanceObserver((list) =>
    window.seen.long.push(...list.getEntries().map((entry) => Math.round(entry.duration))))
    .observe({ type: "longtask", buffered: true });
  new MutationObserver((_, observer) => {
    if (!document.querySelector(".space .row")) return;
    window.seen.firstRow = performance.now();
    observer.disconnect();
  }).observe(document, { childList: true, subtree: true });
}

/** Opens the page in a context of its own. */
export async function openPage(browser, { hash = "", at = url, ...options } = {}) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 }, acceptDownloads: true, ...options,
  });
  const page = await context.newPage();
  watch(page, new URL(at).origin);
  await page.addInitScript(instrument);
  await page.goto(at + hash, { waitUntil: "load" });
  return page;
}

/** Takes over what the page has seen, and closes it. */
export async function closePage(page) {
  watched.violations.push(...await page.evaluate(() => window.seen.violations));
  await page.context().close();
}

export const rows = (page) => page.locator(".space .row");

/** The texts of the messages that can be seen. */
export const messages = (page) =>
  page.evaluate(() => [...document.querySelectorAll(".space .row")].map((row) =>
    row.querySelector(".message").textContent));

/** Types a search, and waits until the page shows what the server finds. */
export async function searchFor(page, text, number) {
  await page.fill("#search", text);
  await page.press("#search", "Enter");
  if (number !== undefined) await hasTotal(page, number);
}

export const hasTotal = (page, number) =>
  until("the page says " + number + " lines", async () =>
    (await page.textContent("#total")).replace(/\D/g, "") === String(number));

export const shot = (page, name) => page.screenshot({ path: shots + name + ".png" });

const results = [];

/** Runs a check, and prints one line about it; what it returns stands behind its name. */
export async function check(name, test) {
  const begun = Date.now();
  try {
    const said = await test();
    results.push(true);
    console.log("ok    " + name + (said ? ": " + said : "") + " (" + (Date.now() - begun) + " ms)");
  } catch (error) {
    results.push(false);
    console.log("FAIL  " + name + ": " + String(error.message).split("\n").slice(0, 4).join(" | "));
    if (process.env.LOGCASTER_TRACE) console.log(error.stack);
  }
}

export function finish() {
  const failed = results.filter((isGood) => !isGood).length;
  console.log(results.length - failed + " of " + results.length + " checks passed");
  return failed ? 1 : 0;
}

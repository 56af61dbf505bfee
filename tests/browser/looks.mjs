// Dark and light, phones, sizes, and what a screenshot must show.

import { readdir, readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import {
  assert, check, closePage, hasTotal, openPage, rows, run, searchFor, send, shot, until, url,
} from "./support.mjs";

const tag = "looks" + run;
const LEVELS = ["trace", "debug", "info", "notice", "warning", "error", "critical", "alert",
  "emergency"];

/** The luminance and contrast of WCAG 2.2, worked out in the page for text on what is behind it. */
function contrasts(selectors) {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 200) return colour;
    }
    return [255, 255, 255, 255];
  };
  return selectors.flatMap((selector) => [...document.querySelectorAll(selector)].slice(0, 40)
    .filter((node) => node.checkVisibility() && node.textContent.trim())
    .map((node) => {
      const front = luminance(rgba(getComputedStyle(node).color));
      const back = luminance(behind(node));
      const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
      return [selector, node.textContent.trim().slice(0, 20), Math.round(ratio * 100) / 100];
    }));
}

const SELECTORS = [
  ".row .time", ".row .level", ".row .source span", ".row .message", ".row .pair", ".row mark",
  ".chip span", "#total", "#status", "button", "h1", ".escape", "#detail th", "#detail td",
  "#detail caption", "#waiting", "#search", "footer kbd",
];

async function colours(browser) {
  const worst = [];
  for (const colorScheme of ["light", "dark"]) {
    const page = await openPage(browser, { colorScheme, hash: "#q=" + tag });
    await hasTotal(page, LEVELS.length * 20 + 1);
    await page.keyboard.press("k");
    await page.keyboard.press("Enter");
    const found = await page.evaluate(contrasts, SELECTORS);
    const poor = found.filter(([, , ratio]) => ratio < 4.5);
    assert.deepEqual(poor, [], colorScheme);
    worst.push(colorScheme + " " + Math.min(...found.map(([, , ratio]) => ratio)));
    await shot(page, colorScheme);
    await closePage(page);
  }
  return "least contrast: " + worst.join(", ");
}

async function themes(browser) {
  const page = await openPage(browser, { colorScheme: "light" });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.click("#menu-open");
  await shot(page, "menu");
  await page.check('[name=theme][value="dark"]');
  const dark = await ground();
  assert.notEqual(dark, light);
  await page.reload();
  assert.equal(await ground(), dark, "remembered");
  await page.click("#menu-open");
  await page.check('[name=theme][value="auto"]');
  assert.equal(await ground(), light);
  await page.emulateMedia({ colorScheme: "dark" });
  assert.equal(await ground(), dark, "as the system");
  await closePage(page);
}

async function phone(browser) {
  const page = await openPage(browser, {
    viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true,
    hash: "#q=" + tag,
  });
  await hasTotal(page, LEVELS.length * 20 + 1);
  const fits = async (where) => {
    const [width, wide] = await page.evaluate(() => [document.documentElement.scrollWidth,
      [...document.querySelectorAll("body *")].filter((node) =>
        node.checkVisibility() && !node.closest("#levels, .unseen, .probe, svg") &&
        node.getBoundingClientRect().right > innerWidth + 1).map((node) =>
        node.id || node.className).slice(0, 5)]);
    assert.ok(width <= 360, where + " is " + width + " wide");
    assert.deepEqual(wide, [], where);
  };
  await fits("the list");
  await shot(page, "phone");
  const small = await page.evaluate(() => [...document.querySelectorAll("button")]
    .filter((node) => node.checkVisibility()).map((node) => [node.id || node.className,
      Math.round(Math.min(node.offsetWidth, node.offsetHeight))])
    .filter(([, size]) => size < 24));
  assert.deepEqual(small, [], "targets below 24 px");
  await rows(page).nth(5).tap();
  await page.locator("#detail").waitFor();
  await fits("the details");
  await shot(page, "phone-details");
  await page.tap('#detail button[aria-label="Close the details (Esc)"]');
  await page.locator("#detail").waitFor({ state: "hidden" });
  for (const menu of ["time", "labels", "menu"]) {
    await page.tap("#" + menu + "-open");
    await page.locator("#" + menu).waitFor();
    await fits(menu);
    await shot(page, "phone-" + menu);
    await page.keyboard.press("Escape");
  }
  await page.tap("#help-open");
  await fits("help");
  await shot(page, "phone-help");
  await closePage(page);
}

async function wrapping(browser) {
  const page = await openPage(browser, { hash: "#q=" + tag });
  await searchFor(page, tag + " lengthy", 1);
  const height = () => rows(page).first().evaluate((row) => row.offsetHeight);
  assert.equal(await height(), 20);
  await page.focus("#log");
  await page.keyboard.press("w");
  await until("wrapped", async () => (await height()) === 240);
  await shot(page, "wrapped");
  await page.keyboard.press("w");
  await until("clipped", async () => (await height()) === 20);
  await closePage(page);
}

async function sizes() {
  const folder = new URL("../../src/page/", import.meta.url);
  let packed = 0;
  for (const name of await readdir(folder)) {
    if (!/\.(html|js|css|svg)$/.test(name)) continue;
    const text = await readFile(new URL(name, folder));
    packed += gzipSync(text, { level: 9 }).length;
    const answer = await fetch(url + (name === "index.html" ? "" : name),
      { headers: { Accept: "text/html,*/*" } });
    assert.equal(answer.status, 200, name);
    assert.ok(Buffer.from(await answer.arrayBuffer()).equals(text), name + " is served as it is");
    const policy = answer.headers.get("content-security-policy") ?? "";
    if (name === "index.html") assert.match(policy, /default-src 'none'/);
  }
  assert.ok(packed <= 60 * 1024, packed + " bytes");
  return packed + " bytes in all, each file gzipped by itself";
}

export async function looks(browser) {
  await send([
    ...LEVELS.flatMap((level) => [...Array(20)].map((_, n) => JSON.stringify({
      level, msg: tag + " " + level + " " + n, app: "shop", status: 200 + n, "\u202ebidi": "\u200b",
    }))),
    tag + " lengthy " + "0123456789".repeat(900),
  ], tag);
  await check("text has enough contrast, dark and light", () => colours(browser));
  await check("dark and light follow the system or a choice that stays", () => themes(browser));
  await check("it fits a phone of 360 px", () => phone(browser));
  await check("long lines are clipped, or wrapped on demand", () => wrapping(browser));
  await check("the page is at most 60 KiB, served with its policy", () => sizes());
}

// What a screen reader and a keyboard find.

import {
  assert, check, closePage, hasTotal, openPage, rows, run, send, shot, until,
} from "./support.mjs";

const tag = "reader" + run;

/** Every node of the accessibility tree that is not ignored, as role, name and properties. */
async function tree(page) {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  return nodes.filter((node) => !node.ignored).map((node) => ({
    role: node.role?.value, name: node.name?.value ?? "",
    ...Object.fromEntries((node.properties ?? []).map(({ name, value }) => [name, value.value])),
  }));
}

async function landmarks(page) {
  const nodes = await tree(page);
  const has = (role, name) => assert.ok(nodes.some((node) =>
    node.role === role && (name === undefined || name.test(node.name))),
  "no " + role + " " + (name ?? ""));
  for (const role of ["banner", "main", "contentinfo", "search", "heading"]) has(role);
  has("grid", /lines/i);
  has("slider", /over time/);
  has("status");
  has("textbox", /Search/);
  has("group", /Levels/);
  has("region", /Lines/);
  has("table");
  const nameless = nodes.filter(({ role, name }) =>
    ["button", "textbox", "checkbox", "radio", "slider", "grid", "link", "dialog"].includes(role) &&
    !name.trim());
  assert.deepEqual(nameless, []);
  return nodes.length + " nodes";
}

async function grid(page) {
  const nodes = await tree(page);
  const cells = nodes.filter(({ role }) => role === "gridcell");
  const shown = nodes.filter(({ role }) => role === "row");
  assert.ok(shown.length > 20 && cells.length >= 4 * 20, shown.length + " rows");
  const indices = await page.evaluate(() => [...document.querySelectorAll(".space .row")]
    .map((row) => Number(row.getAttribute("aria-rowindex"))));
  indices.forEach((index, at) => assert.equal(index, indices[0] + at, "rows stand in order"));
  assert.equal(await page.getAttribute("#log", "aria-rowcount"), "200");
  await page.focus("#log");
  await page.keyboard.press("ArrowUp");
  const active = await page.getAttribute("#log", "aria-activedescendant");
  const row = await page.evaluate((id) => document.getElementById(id).ariaSelected, active);
  assert.equal(row, "true");
}

async function said(page) {
  const status = () => page.textContent("#say");
  await page.keyboard.press("G");
  await until("live", async () => (await page.getAttribute("#follow", "aria-pressed")) === "true");
  await page.keyboard.press("f");
  await send(["INFO " + tag + " one more"], tag + " more");
  await until("waiting is said", async () => /Paused, 1 new line/.test(await status()));
  await page.keyboard.press("f");
  await until("live is said", async () => /^Live/.test(await status()));
  await page.fill("#search", "limit=");
  await page.press("#search", "Enter");
  await page.fill("#search", "level=nonsense");
  await page.press("#search", "Enter");
  await page.locator('#notice[role="alert"]').waitFor();
  assert.equal(await page.getAttribute("#search", "aria-invalid"), "true");
  await page.fill("#search", tag);
  await page.press("#search", "Enter");
  await hasTotal(page, 201);
  const cells = await page.locator("#histogram-table td").allTextContents();
  assert.ok(cells.length >= 2 && cells.every((cell) => /^[\d,]+$/.test(cell)));
  await page.focus("#histogram");
  await page.keyboard.press("End");
  assert.match(await page.getAttribute("#histogram", "aria-valuetext"), /lines?/);
}

/** Goes through the page by Tab: each stop can be seen, and none is a trap. */
async function focus(page) {
  await page.focus("#skip");
  await shot(page, "focus");
  const stops = [];
  for (let n = 0; n < 60; n++) {
    const stop = await page.evaluate(() => {
      const node = document.activeElement;
      const style = getComputedStyle(node);
      const box = node.closest(".search") ?? node;
      const frame = getComputedStyle(document.getElementById("view"), "::after");
      return {
        name: node.id || node.dataset.level || node.tagName,
        isShown: style.outlineStyle !== "none" || getComputedStyle(box).boxShadow !== "none" ||
          node.id === "log" && frame.borderTopStyle === "solid",
      };
    });
    if (stops.length && stop.name === "skip") break;
    if (stop.name !== "BODY") stops.push(stop);
    await page.keyboard.press("Tab");
    if (stop.name === "BODY" && stops.length > 5) break;
  }
  const names = stops.map(({ name }) => name);
  for (const name of ["search", "help-open", "time-open", "labels-open", "follow", "menu-open",
    "histogram", "log"]) {
    assert.ok(names.includes(name), name + " is not reached: " + names);
  }
  assert.deepEqual(stops.filter(({ isShown }) => !isShown), []);
  return names.length + " stops";
}

async function dialogs(page) {
  for (const menu of ["time", "labels", "menu"]) {
    await page.focus("#" + menu + "-open");
    await page.keyboard.press("Enter");
    await page.locator("#" + menu).waitFor();
    await until(menu + " is open", async () =>
      (await page.getAttribute("#" + menu + "-open", "aria-expanded")) === "true");
    await page.keyboard.press("Escape");
    await page.locator("#" + menu).waitFor({ state: "hidden" });
    assert.equal(await page.evaluate(() => document.activeElement.id), menu + "-open");
  }
  await page.keyboard.press("?");
  const nodes = await tree(page);
  assert.ok(nodes.some(({ role, name }) => role === "dialog" && name === "Help"));
  await page.keyboard.press("Escape");
}

async function calm(browser) {
  const page = await openPage(browser, { reducedMotion: "reduce" });
  await rows(page).first().waitFor();
  const moving = await page.evaluate(() => document.getAnimations().length);
  assert.equal(moving, 0);
  await closePage(page);
}

export async function accessibility(browser) {
  await send([...Array(200)].map((_, n) => "INFO " + tag + " line " + n), tag);
  const page = await openPage(browser, { hash: "#q=" + tag });
  await hasTotal(page, 200);
  await check("landmarks, and a name for all that can be used", () => landmarks(page));
  await check("the list is a grid with its rows numbered", () => grid(page));
  await check("states, mistakes and bars are told", () => said(page));
  await check("the focus can be seen everywhere", () => focus(page));
  await check("menus open by keys and give the focus back", () => dialogs(page));
  await closePage(page);
  await check("reduced motion is respected", () => calm(browser));
}

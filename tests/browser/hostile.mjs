// Lines that try to run, to reach out, to break the layout or to lie.

import {
  assert, check, closePage, found, openPage, rows, run, sendLines, shot, until, watched,
} from "./support.mjs";

const tag = "hostile" + run;
const ESC = "\u001b";

const PAYLOADS = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(2)>',
  '<img src="https://example.invalid/pixel.png">',
  '<svg/onload=alert(3)>',
  '"><svg><animate onbegin=alert(4) attributeName=x dur=1s>',
  '<iframe srcdoc="<script>parent.alert(5)</script>"></iframe>',
  '<a href="javascript:alert(6)">click</a>',
  'javascript:alert(7)//',
  '<style>*{display:none}</style><link rel=stylesheet href=//example.invalid/x.css>',
  '<base href="https://example.invalid/"><meta http-equiv=refresh content="0;url=//x.invalid">',
  '{{constructor.constructor("alert(8)")()}} ${alert(9)} #{alert(10)} <%= alert(11) %>',
  '</span></div></section></main><h1>outside</h1>',
  '<form action=//example.invalid><input name=a autofocus onfocus=alert(12)></form>',
  '<math><mtext></p><img src=1 onerror=alert(13)>',
  'data:text/html,<script>alert(14)</script>',
  ESC + '[31mred' + ESC + '[0m ' + ESC + ']8;;https://example.invalid' + ESC + '\\link' + ESC +
    ']8;;' + ESC + '\\ ' + ESC + '[2J' + ESC + '[H gone?',
  ESC + ']0;no end, so that nothing behind it is hidden',
  'bidi \u202e gnp.exe \u202c \u2066 isolated \u2069 \u200f mark',
  'zero\u200bwidth \ufeffbom \u2028line \u2029paragraph \u00adsoft \u{e0041}tag',
  'controls \u0001\u0002\u0007\u0008\u000b\u000c\u007f\u0085\u009b31m end',
  'zalgo ' + 'z\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309\u030a'.repeat(30),
  'wide \u65e5\u672c\u8a9e \ud83d\ude00 \ud83d\udc68\u200d\ud83d\udc69\u200d\ud83d\udc67 \ufdfd',
  'right to left \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 and back',
  'long ' + 'x'.repeat(60000),
  'tabs\tand\tmore\ttabs',
];

function lines() {
  const made = PAYLOADS.map((payload, n) => "ERROR " + tag + " " + n + " " + payload);
  PAYLOADS.forEach((payload, n) => {
    const short = payload.slice(0, 300);
    made.push(JSON.stringify({
      msg: tag + " json " + n + " " + short, [short]: short, __proto__x: 1,
      constructor: "c", toString: "t", deep: { [short]: [short, { a: short }] },
    }));
  });
  made.push('{"msg":"' + tag + ' proto","__proto__":{"polluted":"yes"},"level":"<b>x</b>"}');
  return made;
}

/** What is in the document and should not be. */
const strangers = (page) => page.evaluate(() => {
  const allowed = new Set(["DIV", "SPAN", "I", "MARK"]);
  const bad = [...document.querySelectorAll("#log *")].filter((node) =>
    !allowed.has(node.tagName) || [...node.attributes].some(({ name }) =>
      name.startsWith("on") || ["href", "src", "srcdoc"].includes(name)));
  const scripts = [...document.scripts].map((script) => script.getAttribute("src"));
  return {
    bad: bad.map((node) => node.outerHTML.slice(0, 80)), scripts,
    outside: [...document.querySelectorAll("h1")].length, polluted: {}.polluted ?? null,
    frames: window.length,
  };
});

const rowHeights = (page) => page.evaluate(() =>
  [...new Set([...document.querySelectorAll(".space .row")].map((row) => row.offsetHeight))]);

async function harmless(browser) {
  const made = lines();
  await sendLines(made);
  await until("stored", async () => (await found(tag)) >= made.length - 2, 20000);
  const stored = await found(tag);
  const page = await openPage(browser, { hash: "#q=" + tag });
  await rows(page).first().waitFor();
  let looked = 0;
  const expected = { bad: [], scripts: ["app.js"], outside: 1, polluted: null, frames: 0 };
  await page.keyboard.press("g");
  await page.keyboard.press("Enter");
  await page.locator("#detail").waitFor();
  for (let n = 0; n < stored; n++) {
    assert.deepEqual(await strangers(page), expected, "line " + n);
    const inPane = await page.evaluate(() =>
      document.querySelectorAll("#detail :is(script, img, svg, iframe, a, style, link, input)")
        .length);
    assert.equal(inPane, 0, "details of line " + n);
    for (const summary of await page.locator("#detail summary").all()) await summary.click();
    looked++;
    await page.locator("#log").focus();
    await page.keyboard.press("j");
  }
  await shot(page, "hostile-details");
  await page.keyboard.press("Escape");
  await page.keyboard.press("g");
  await shot(page, "hostile");
  assert.deepEqual(await rowHeights(page), [20], "every row is one line high");
  const width = await page.evaluate(() =>
    [document.documentElement.scrollWidth, window.innerWidth]);
  assert.ok(width[0] <= width[1], "wider than the window: " + width);
  await page.keyboard.press("w");
  await shot(page, "hostile-wrapped");
  await page.evaluate(() => document.getElementById("log").scrollTo(0, 0));
  await closePage(page);
  return looked + " lines and their details";
}

async function told(browser) {
  const page = await openPage(browser, { hash: "#q=" + tag + "+bidi" });
  await until("one", async () => (await rows(page).count()) >= 1);
  const text = await page.locator(".row .message").first().textContent();
  for (const shown of ["\\u202e", "\\u202c", "\\u2066", "\\u2069", "\\u200f"]) {
    assert.ok(text.includes(shown), shown + " is not shown in " + text);
  }
  assert.ok(!/[\u202a-\u202e\u2066-\u2069]/.test(text));
  await page.fill("#search", tag + " 15");
  await until("colours", async () =>
    (await page.locator(".row .message").first().textContent()).includes("red link"));
  await page.fill("#search", tag + " controls");
  await until("controls", async () =>
    (await page.locator(".row .message").first().textContent()).includes("\\x01\\x02\\x07"));
  await closePage(page);
}

async function inLinks(browser) {
  const page = await openPage(browser, {
    hash: "#q=" + encodeURIComponent('"<img src=x onerror=alert(20)>"') +
      "&level=<b>&last=javascript:alert(21)&from=x&seq=<script>",
  });
  await page.locator("#empty, .space .row").first().waitFor();
  assert.equal(await page.inputValue("#search"), '"<img src=x onerror=alert(20)>"');
  await closePage(page);
}

export async function hostile(browser) {
  await check("nothing in a line runs or breaks the layout", () => harmless(browser));
  await check("what cannot be seen is shown as its number, colours are left out",
    () => told(browser));
  await check("nothing in a link runs", () => inLinks(browser));
  await check("no dialog, no violation of the policy, no request elsewhere, no error", () => {
    assert.deepEqual(watched.dialogs, []);
    assert.deepEqual(watched.violations, []);
    assert.deepEqual(watched.foreign, []);
    assert.deepEqual(watched.errors, []);
    return "0 dialogs, 0 violations, 0 foreign of " + watched.requests.length + " requests";
  });
}

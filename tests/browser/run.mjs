// The page in a real browser, against a running server.
//
//   LOGCASTER_URL=http://127.0.0.1:9090/ LOGCASTER_LOG_PORT=9999 node run.mjs [NAME ...]
//
// It sends its own lines to the log port, prints one line a check, writes screenshots to
// target/screenshots/, and ends with 1 where a check failed. NAME runs only those groups.

import { accessibility } from "./accessibility.mjs";
import { hostile } from "./hostile.mjs";
import { live } from "./live.mjs";
import { looks } from "./looks.mjs";
import { searching } from "./searching.mjs";
import { finish, launch } from "./support.mjs";

const groups = { searching, live, hostile, looks, accessibility };
const wanted = process.argv.slice(2);
const browser = await launch();
try {
  for (const [name, group] of Object.entries(groups)) {
    if (!wanted.length || wanted.includes(name)) await group(browser);
  }
} finally {
  await browser.close();
}
process.exit(finish());

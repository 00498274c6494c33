// Runs the tests: all that this machine can run, and one line for each kind that it cannot. With `--long`, those that take
// minutes instead; with `--cluster`, only those on the cluster in KUBECONFIG.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const [, , ...extra] = process.argv;
const kind = ["--long", "--cluster"].includes(extra[0]) ? extra.shift() : "all";

const browsers = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const folders = (process.env.PATH ?? "").split(":");
const browser =
  process.env.SPAWNER_TEST_BROWSER ??
  browsers.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path));
const cluster = process.env.KUBECONFIG;

if (kind === "all" && !browser) {
  console.log("Skipped: the browser tests. Install Chromium or Chrome, or name it in SPAWNER_TEST_BROWSER.");
}
if (!cluster) {
  console.log("Skipped: the tests on a cluster. Name the kubeconfig of one that may be changed in KUBECONFIG.");
}
const projects = {
  all: ["unit", "e2e", ...(browser ? ["browser"] : []), ...(cluster ? ["cluster", "cluster-faults"] : [])],
  "--long": ["long", ...(cluster ? ["cluster-long"] : [])],
  "--cluster": cluster ? ["cluster", "cluster-faults"] : [],
}[kind];
// Without any project vitest would run them all.
if (projects.length === 0) process.exit(1);
const { status } = spawnSync(
  process.execPath,
  [join(root, "node_modules/vitest/vitest.mjs"), "run", ...projects.flatMap((name) => ["--project", name]), ...extra],
  { cwd: root, stdio: "inherit", env: { ...process.env, SPAWNER_TEST_BROWSER: browser ?? "" } },
);
process.exit(status ?? 1);

// Runs the workspace's commands: `node scripts/run.mjs COMMAND`, by way of package.json. Installs first where the lock file is
// newer than what is installed, then goes on with the pinned Node, so that any Node >= 20 will do to begin with.
import { spawn, spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const modules = join(root, "node_modules");
const spawner = join(root, "packages/server/src/cli/main.ts");

/** Name -> what it runs, one after the other; what the user adds goes to the last. */
const commands = {
  start: [["node", spawner, "dev", "--", "node", join(root, "demo/board/server.js")]],
  demo: [["node", "scripts/demo.mjs"]],
  test: [["node", "scripts/test.mjs"]],
  "test:long": [["node", "scripts/test.mjs", "--long"]],
  "test:cluster": [["node", "scripts/test.mjs", "--cluster"]],
  check: [
    ["biome", "check", "--error-on-warnings", "."],
    ["tsc", "-p", "."],
    ["knip"],
    ["node", "scripts/size.mjs"],
    ["node", "scripts/generate.mjs", "--check"],
  ],
  fix: [["biome", "check", "--write", "."]],
  generate: [["node", "scripts/generate.mjs"]],
  build: [["node", "scripts/build.mjs"]],
  image: [["node", "scripts/image.mjs"]],
  size: [["node", "scripts/size.mjs"]],
  "bench:embedded": [["node", "bench/embedded.ts"]],
  "bench:idleness": [["node", "bench/idleness.ts"]],
  "bench:burst": [["node", "bench/burst.ts"]],
  "bench:connect": [["node", "bench/connect.ts"]],
  "bench:relay": [["node", "bench/relay.ts"]],
  "bench:cluster": [["node", "bench/cluster.ts"]],
};

const [name, ...extra] = process.argv.slice(2);
const steps = commands[name];
if (steps === undefined) {
  console.error(`There is no command ${JSON.stringify(name)}; there are ${Object.keys(commands).join(", ")}.`);
  process.exit(2);
}

install();
for (const [index, [program, ...args]] of steps.entries()) {
  const status = await run(program, [...args, ...(index === steps.length - 1 ? extra : [])]);
  if (status !== 0) process.exit(status);
}

function install() {
  // What npm has installed it notes in a lock file of its own, at the end.
  if (changedAtMs(join(modules, ".package-lock.json")) >= changedAtMs(join(root, "package-lock.json"))) return;
  console.error("Installing what package-lock.json names (once) …");
  const { status } = spawnSync("npm", ["ci", "--no-fund", "--no-audit", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) process.exit(status ?? 1);
}

function changedAtMs(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Resolves to the exit code. A terminal gives Ctrl-C to the program as well; what only we are told is passed on. */
function run(program, args) {
  const path = [join(modules, ".bin"), process.env.PATH].join(delimiter);
  const demo = ["start", "demo"].includes(name)
    ? { SPAWNER_GRACE_PERIOD: process.env.SPAWNER_GRACE_PERIOD ?? "15" }
    : {};
  const child = spawn(join(modules, ".bin", program), args, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...demo, PATH: path },
  });
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? 1));
  });
}

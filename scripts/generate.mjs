// Writes the files that are made from the sources; with --check says which are not up to date, and fails.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const spawner = join(root, "packages/server/src/cli/main.ts");

const generated = {
  "deploy/crd/sessionlivedbackends.yaml": () =>
    execFileSync(process.execPath, [spawner, "print-crd"], { encoding: "utf8" }),
};

let stale = 0;
for (const [file, make] of Object.entries(generated)) {
  const path = join(root, file);
  const text = make();
  if (text === read(path)) continue;
  if (process.argv.includes("--check")) {
    console.error(`${file} is not up to date: npm run generate`);
    stale += 1;
  } else {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    console.log(`wrote ${file}`);
  }
}
process.exit(stale > 0 ? 1 : 0);

function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // not made yet
  }
}

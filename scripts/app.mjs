// Assembles what the container image holds: the server's package as npm run build makes it, and what that depends on, at the
// versions of package-lock.json. node scripts/app.mjs [--out FOLDER]   (build/app/)
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const { values } = parseArgs({ options: { out: { type: "string", default: join(root, "build/app") } } });
const out = resolve(values.out);
const work = mkdtempSync(join(tmpdir(), "spawner-app-"));

try {
  const packages = join(work, "packages");
  execFileSync(process.execPath, [join(root, "scripts/build.mjs"), "--out", packages], { stdio: "inherit" });
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  for (const name of ["dist", "package.json", "LICENSE"]) copy(join(packages, "spawner", name), join(out, name));
  copy(installDependencies(join(work, "workspace")), join(out, "node_modules"), isNeededToRun);
  addCommand();
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** bin/ is for PATH: the image needs no step of its own that runs something, and so builds for any architecture. */
function addCommand() {
  mkdirSync(join(out, "bin"));
  symlinkSync("../dist/spawner.js", join(out, "bin/spawner"));
  chmodSync(join(out, "dist/spawner.js"), 0o755);
}

/** Returns the folder with what the server's package depends on. */
function installDependencies(folder) {
  for (const name of ["package.json", "package-lock.json", ".npmrc", ...workspaceManifests()]) {
    copy(join(root, name), join(folder, name));
  }
  // The official Kubernetes client is optional, and larger than all else: only people's own kubeconfigs need it.
  const flags = ["--workspace=spawner", "--omit=dev", "--omit=optional", "--ignore-scripts", "--loglevel=error"];
  execFileSync("npm", ["ci", ...flags], { cwd: folder, stdio: ["ignore", 2, 2] });
  const modules = join(folder, "node_modules");
  // Links to the workspace's own packages, which the bundles hold.
  for (const name of ["spawner", "@spawner", ".bin"]) rmSync(join(modules, name), { recursive: true, force: true });
  return modules;
}

function workspaceManifests() {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const folders = Object.keys(packages).filter((path) => path !== "" && !path.includes("node_modules/"));
  return folders.map((folder) => join(folder, "package.json"));
}

/** Types, positions of others' sources and manuals are a quarter of what packages hold. */
function isNeededToRun(path) {
  return !/\.(d\.[cm]?ts|map|md|markdown)$/.test(path);
}

function copy(from, to, filter) {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true, filter });
}

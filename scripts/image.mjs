// Builds the container image: npm run image [-- --tag TAG] [--builder docker|buildah]
// TAG is SPAWNER_TEST_IMAGE or localhost/spawner:test where it is not given. The JavaScript is built outside, as npm on this
// machine is set up; `docker build .` does all inside.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const { values } = parseArgs({
  options: {
    tag: { type: "string", short: "t", default: process.env.SPAWNER_TEST_IMAGE ?? "localhost/spawner:test" },
    builder: { type: "string", default: findBuilder() },
  },
});
const app = mkdtempSync(join(tmpdir(), "spawner-image-"));
try {
  execFileSync(process.execPath, [join(root, "scripts/app.mjs"), "--out", app], { stdio: "inherit" });
  build(app);
} finally {
  rmSync(app, { recursive: true, force: true });
}

function build(folder) {
  const args = ["--build-context", `app=${folder}`, "--tag", values.tag, root];
  // The time of the last commit on every file: the same sources make the same layers.
  const epoch = timeOfSources();
  if (values.builder === "docker") {
    const env = { ...process.env, SOURCE_DATE_EPOCH: epoch };
    execFileSync("docker", ["buildx", "build", "--load", ...args], { stdio: "inherit", env });
  } else {
    execFileSync("buildah", ["bud", "--layers", "--timestamp", epoch, ...args], { stdio: "inherit" });
  }
  console.log(`built ${values.tag}`);
}

function findBuilder() {
  if (spawnSync("docker", ["info"], { stdio: "ignore" }).status === 0) return "docker";
  if (spawnSync("buildah", ["--version"], { stdio: "ignore" }).status === 0) return "buildah";
  console.error("Building an image needs docker, with its daemon running, or buildah.");
  process.exit(2);
}

function timeOfSources() {
  const { status, stdout } = spawnSync("git", ["log", "-1", "--format=%ct"], { cwd: root, encoding: "utf8" });
  return status === 0 ? stdout.trim() : "0";
}

import { execFile, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/dev.ts";
import { fileBlock, readDocument } from "../support/documents.ts";

const run = promisify(execFile);
const unit = fileBlock(readDocument("docs/one-machine.md"), "/etc/systemd/system/spawner.service");

const hasSystemd = spawnSync("systemd-analyze", ["--version"]).status === 0;
if (!hasSystemd)
  console.log("Skipped: the unit of docs/one-machine.md. systemd (the Debian package) is not installed.");

test.skipIf(!hasSystemd)("systemd-analyze finds nothing wrong with the unit", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "spawner.service");
  writeFileSync(path, unit.replace("/usr/local/bin/spawner", process.execPath));
  const { stdout, stderr } = await run("systemd-analyze", ["verify", "--man=no", path]);
  const ours = `${stdout}${stderr}`.split("\n").filter((line) => line.includes("spawner.service"));
  expect(ours).toEqual([]);
});

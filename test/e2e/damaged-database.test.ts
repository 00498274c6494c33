import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { runSpawner, temporaryFolder } from "../support/dev.ts";
import { startServed } from "../support/served.ts";

// Servers are started, and restarted, while other tests use the machine.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

test.each([
  [
    "that is damaged",
    (database: Buffer) => database.fill(0xa5, 4_196),
    /spawner\.db cannot be read: .*Move it .*away to begin anew/s,
  ],
  [
    "that is something else",
    () => Buffer.from("PK\x03\x04".repeat(5_000)),
    /spawner\.db cannot be read: .*or use another --state-dir/,
  ],
  [
    "of another release",
    // The schema's version, at offset 60 of the header (https://www.sqlite.org/fileformat.html).
    (database: Buffer) => database.fill(0, 60, 63).fill(9, 63, 64),
    /spawner\.db has schema version 9; this release needs \d+\. Use the release that wrote it, or another --state-dir\./,
  ],
])("a database %s keeps the server from starting, with what to do about it", async (_, change, message) => {
  const stateDir = temporaryFolder();
  const database = join(stateDir, "spawner.db");
  const first = await startServed({ stateDir, command: ["true"] });
  await Promise.all(Array.from({ length: 20 }, () => first.spawn()));
  await first.close();
  const changed = change(readFileSync(database));
  writeFileSync(database, changed);
  const second = runSpawner(["serve", "--port", "0", "--allow-anonymous", "--state-dir", stateDir, "--", "true"]);
  expect(await second.exited).toBe(1);
  expect(second.output.text).toMatch(message);
  expect(readFileSync(database)).toEqual(changed);
});

import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { formatSigningKeys, makeSigningKey } from "../core/signing-keys.ts";
import { FakeClock } from "../lib/fake-clock.ts";
import { fileLookMs } from "../lib/file-version.ts";
import type { Log } from "../lib/log.ts";
import { SigningKeysFile } from "./signing-keys-file.ts";

const unreadable = "error: signing keys cannot be read: those from before go on";

function setUp() {
  const stateDir = mkdtempSync(join(tmpdir(), "spawner-keys-"));
  onTestFinished(() => rmSync(stateDir, { recursive: true, force: true }));
  const clock = new FakeClock();
  const logged: string[] = [];
  const at = (level: keyof Log) => (_: object, message: string) => void logged.push(`${level}: ${message}`);
  const log: Log = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
  const open = () => new SigningKeysFile(stateDir, { clock, log });
  const file = open();
  return {
    path: join(stateDir, "signing-keys"),
    logged,
    open,
    /** The ids of the keys at the next look at the file. */
    idsLater: () => {
      clock.advance(fileLookMs);
      return file.keys().map(({ id }) => id);
    },
  };
}

test("a key is made where there is none, which its owner alone can read, and is found again", () => {
  const { path, open, idsLater } = setUp();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(
    open()
      .keys()
      .map(({ id }) => id),
  ).toEqual(idsLater());
});

test("keys rotate without a restart", () => {
  const { path, idsLater, logged } = setUp();
  const keys = [makeSigningKey(new Date(0)), makeSigningKey(new Date(86_400_000))];
  writeFileSync(path, formatSigningKeys(keys));
  expect(idsLater()).toEqual(keys.map(({ id }) => id));
  expect(logged).toEqual(["info: signing keys read"]);
});

test.each([
  ["is gone", (path: string) => rmSync(path)],
  ["holds no key", (path: string) => writeFileSync(path, "")],
  ["holds nonsense", (path: string) => writeFileSync(path, "nonsense")],
])("while the file %s the keys from before go on, which is said once, until it is back", (_, spoil) => {
  const { path, idsLater, logged } = setUp();
  let [current] = idsLater();
  for (const round of [1, 2]) {
    spoil(path);
    for (let look = 0; look < 3; look++) expect(idsLater()).toEqual([current]);
    expect(logged.filter((line) => line === unreadable)).toHaveLength(round);
    const key = makeSigningKey(new Date(round * 86_400_000));
    writeFileSync(path, formatSigningKeys([key]));
    current = key.id;
    expect(idsLater()).toEqual([current]);
    expect(logged.at(-1)).toBe("info: signing keys read");
  }
});

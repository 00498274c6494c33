import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { findLogDamage } from "./write-ahead-log.ts";

const pageBytes = 4096;
const frameBytes = 24 + pageBytes;
/** Each transaction writes several pages: its last frame alone carries the commit. */
const framesOf = (rows: number) => "x".repeat(rows * pageBytes);

let database: Buffer;
let log: Buffer;

function open(path: string): DatabaseSync {
  const opened = new DatabaseSync(path);
  opened.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
  return opened;
}

/** A database and its log, as a kill of their owner left them. */
function lay(files: { log: Buffer }): string {
  const folder = mkdtempSync(join(tmpdir(), "spawner-log-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "spawner.db");
  writeFileSync(path, database);
  writeFileSync(`${path}-wal`, files.log);
  return path;
}

const damageOf = (bytes: Buffer) => findLogDamage(`${lay({ log: bytes })}-wal`);

beforeAll(() => {
  const folder = mkdtempSync(join(tmpdir(), "spawner-log-"));
  const path = join(folder, "spawner.db");
  const written = open(path);
  written.exec("CREATE TABLE t (text TEXT)");
  for (let i = 0; i < 8; i++) written.prepare("INSERT INTO t VALUES (?)").run(framesOf(3));
  database = readFileSync(path);
  log = readFileSync(`${path}-wal`);
  written.close();
  rmSync(folder, { recursive: true });
});

test("a log that a kill left is whole, wherever its last write was cut short", () => {
  expect((log.length - 32) % frameBytes).toBe(0);
  for (let length = 0; length <= log.length; length += 1_021) expect(damageOf(log.subarray(0, length))).toBeUndefined();
  const torn = Buffer.from(log);
  torn.fill(0, torn.length - 100); // the header of the last frame was written, and not all of its page
  expect(damageOf(torn)).toBeUndefined();
});

test("a log is whole when a later server has written over what the kill of the one before had cut short", () => {
  const path = lay({ log: log.subarray(0, log.length - frameBytes) }); // without the commit of the last transaction
  const later = open(path);
  later.exec("INSERT INTO t VALUES ('short')");
  const copy = `${path}.copy`;
  copyFileSync(`${path}-wal`, copy);
  later.close();
  expect(readFileSync(copy).length).toBe(log.length - frameBytes);
  expect(findLogDamage(copy)).toBeUndefined();
});

test("a log is whole that begins again over an older one", () => {
  const path = lay({ log });
  const later = open(path);
  later.exec("PRAGMA wal_checkpoint(RESTART); INSERT INTO t VALUES ('short')");
  const copy = `${path}.copy`;
  copyFileSync(`${path}-wal`, copy);
  later.close();
  expect(readFileSync(copy).length).toBe(log.length);
  expect(findLogDamage(copy)).toBeUndefined();
});

test("one byte that is not what was written is damage, unless it may have been the last transaction's", () => {
  const lastTransaction = log.length - 5 * frameBytes;
  for (let offset = 0; offset < lastTransaction; offset += 509) {
    const damaged = Buffer.from(log);
    damaged.writeUInt8(damaged.readUInt8(offset) ^ 0x10, offset);
    expect(damageOf(damaged), `byte ${offset}`).toMatch(/^its (header|frame \d+) is not what was written$/);
  }
});

test("what is damaged since a power failure is left to SQLite, which goes back to what the disk has", () => {
  const damaged = Buffer.from(log);
  damaged.fill(0xa5, 2 * frameBytes, 2 * frameBytes + 100);
  const path = lay({ log: damaged });
  expect(findLogDamage(`${path}-wal`)).toBe("its frame 2 is not what was written");
  utimesSync(`${path}-wal`, 0, 0);
  expect(findLogDamage(`${path}-wal`)).toBeUndefined();
});

test("where there is no log there is no damage", () => {
  const path = lay({ log });
  truncateSync(`${path}-wal`);
  expect(findLogDamage(`${path}-wal`)).toBeUndefined();
  expect(findLogDamage(`${path}-none`)).toBeUndefined();
});

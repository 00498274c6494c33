import {
  closeSync,
  existsSync,
  fchmodSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SpawnerError } from "../../core/errors.ts";
import { findLogDamage } from "./write-ahead-log.ts";

/** In the state folder. */
export const databaseName = "spawner.db";

/** Somebody may just be looking (living-programs.ts), who is no owner: that takes milliseconds. */
const glanceMs = 250;

/** Raised with every change of the tables. A database of another version is refused, never guessed at. */
const schemaVersion = 1;

const schema = `
  CREATE TABLE backends (
    name TEXT PRIMARY KEY,
    uid TEXT NOT NULL,
    record TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE workloads (
    uid TEXT PRIMARY KEY,
    record TEXT NOT NULL
  ) WITHOUT ROWID;
  -- The number of writes so far: gives resource versions, and is never reset.
  CREATE TABLE revision (number INTEGER NOT NULL);
  INSERT INTO revision VALUES (0);
`;

/**
 * Opens the database of a state folder, making both if needed, and holds it alone until it is closed or the process dies:
 * SQLite's own exclusive lock, which no crash can leave behind. What was written survives a kill of the process (WAL with
 * synchronous=NORMAL); a power failure may take back the last moments.
 */
export function openDatabase(stateDir: string): DatabaseSync {
  const path = join(stateDir, databaseName);
  const ownerFile = join(stateDir, "owner.pid");
  const database = openFile({ stateDir, path, ownerFile });
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
    database.exec("BEGIN EXCLUSIVE");
    migrate(database, { path, ownerFile });
    check(database);
    database.exec("COMMIT");
    noteOwner(ownerFile);
    return database;
  } catch (error) {
    database.close();
    throw explain(error, { stateDir, path, ownerFile });
  }
}

/**
 * Names the owner for the message to a second server, and shows that there is a database here: a full disk does not keep this
 * server from going on with its sessions.
 */
function noteOwner(ownerFile: string): void {
  try {
    writeFileSync(ownerFile, `${process.pid}\n`);
  } catch {
    rmSync(ownerFile, { force: true }); // an earlier owner's
  }
}

function openFile(files: { stateDir: string; path: string; ownerFile: string }): DatabaseSync {
  const { stateDir, path, ownerFile } = files;
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    if (!existsSync(path) && !existsSync(`${path}-wal`)) rmSync(ownerFile, { force: true }); // of one that was moved away
    const damage = findDamage(path);
    if (damage !== undefined) throw explain(errorOfUse(path) ?? new Error(damage), files);
    keepToOwner(path);
    return new DatabaseSync(path, { timeout: glanceMs });
  } catch (cause) {
    if (cause instanceof SpawnerError) throw cause;
    throw new SpawnerError("unavailable", `Cannot open ${path}: ${(cause as Error).message}. Is it writable?`, {
      cause,
    });
  }
}

/** The environment of every session is in it. SQLite gives its other files the same rights. */
function keepToOwner(path: string): void {
  const file = openSync(path, "a", 0o600);
  try {
    const { mode } = fstatSync(file);
    if ((mode & 0o077) !== 0) fchmodSync(file, 0o600);
  } finally {
    closeSync(file);
  }
}

/** Damage that SQLite would take for a beginning, and remove with all that is left. */
function findDamage(path: string): string | undefined {
  const log = `${path}-wal`;
  const hasLog = (statSync(log, { throwIfNoEntry: false })?.size ?? 0) > 0;
  const isEmpty = (statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0;
  if (hasLog && isEmpty) return `there is nothing in it, and something in ${log}`;
  const damage = findLogDamage(log);
  return damage === undefined ? undefined : `${log} is damaged: ${damage}`;
}

/** SQLite's error if another process has the database: then its log may be seen in the midst of a write. Changes nothing. */
function errorOfUse(path: string): unknown {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true });
    read(database, "SELECT count(*) FROM sqlite_master");
    return undefined;
  } catch (error) {
    return isBusy(error) ? error : undefined;
  } finally {
    database?.close();
  }
}

/** Finds damage now, where something can be done about it, and not in the middle of a session. */
function check(database: DatabaseSync): void {
  const { quick_check: found } = read<{ quick_check: string }>(database, "PRAGMA quick_check(1)");
  if (found !== "ok") throw new Error(found);
  for (const table of ["backends", "workloads"]) {
    const sql = `SELECT count(*) AS damaged FROM ${table} WHERE NOT json_valid(record)`;
    const { damaged: count } = read<{ damaged: number }>(database, sql);
    if (count > 0) throw new Error(`${count} records in the table ${table} are not JSON`);
  }
}

function migrate(database: DatabaseSync, { path, ownerFile }: { path: string; ownerFile: string }): void {
  const { user_version: found } = read<{ user_version: number }>(database, "PRAGMA user_version");
  if (found === schemaVersion) return;
  if (found !== 0) {
    throw new SpawnerError(
      "unavailable",
      `${path} has schema version ${found}; this release needs ${schemaVersion}. Use the release that wrote it, or another --state-dir.`,
    );
  }
  const { tables } = read<{ tables: number }>(database, "SELECT count(*) AS tables FROM sqlite_master");
  if (tables > 0) throw new Error("it has tables, and no schema version of Spawner");
  if (existsSync(ownerFile)) throw new Error("there is nothing in it any more");
  database.exec(`${schema} PRAGMA user_version = ${schemaVersion};`);
}

function read<Row>(database: DatabaseSync, sql: string): Row {
  return database.prepare(sql).get() as Row;
}

function explain(error: unknown, { stateDir, path, ownerFile }: { stateDir: string; path: string; ownerFile: string }) {
  if (error instanceof SpawnerError) return error;
  if (primaryCode(error) === 13 /* SQLITE_FULL */) {
    return new SpawnerError(
      "unavailable",
      `${path} cannot be made: the disk is full. Free some space on it, or use another --state-dir.`,
      { cause: error },
    );
  }
  if (isBusy(error)) {
    return new SpawnerError(
      "unavailable",
      `The state folder ${stateDir} is in use by another Spawner${ownerOf(ownerFile)}. Stop that one, or use another --state-dir.`,
      { cause: error },
    );
  }
  return new SpawnerError(
    "unavailable",
    `${path} cannot be read: ${(error as Error).message}. Move it and ${path}-wal away to begin anew (what they recorded is lost, and programs that still run have to be ended by hand), or use another --state-dir.`,
    { cause: error },
  );
}

function isBusy(error: unknown): boolean {
  return primaryCode(error) === 5; // SQLITE_BUSY
}

/** https://www.sqlite.org/rescode.html: the low byte. */
function primaryCode(error: unknown): number {
  return ((error as { errcode?: number }).errcode ?? 0) & 0xff;
}

function ownerOf(ownerFile: string): string {
  try {
    return ` (process ${readFileSync(ownerFile, "utf8").trim()})`;
  } catch {
    return ""; // locked before its owner wrote who it is
  }
}

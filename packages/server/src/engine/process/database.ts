import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SpawnerError } from "../../core/errors.ts";

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
  const path = join(stateDir, "spawner.db");
  const ownerFile = join(stateDir, "owner.pid");
  const database = openFile(stateDir, path);
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
    database.exec("BEGIN EXCLUSIVE");
    migrate(database, path);
    check(database);
    database.exec("COMMIT");
    noteOwner(ownerFile);
    return database;
  } catch (error) {
    database.close();
    throw explain(error, { stateDir, path, ownerFile });
  }
}

/** For the message to a second server only: a full disk does not keep this one from going on with its sessions. */
function noteOwner(ownerFile: string): void {
  try {
    writeFileSync(ownerFile, `${process.pid}\n`);
  } catch {
    rmSync(ownerFile, { force: true }); // an earlier owner's
  }
}

function openFile(stateDir: string, path: string): DatabaseSync {
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    return new DatabaseSync(path);
  } catch (cause) {
    throw new SpawnerError("unavailable", `Cannot open ${path}: ${(cause as Error).message}. Is it writable?`, {
      cause,
    });
  }
}

/** Finds damage now, where something can be done about it, and not in the middle of a session. */
function check(database: DatabaseSync): void {
  const { quick_check: found } = database.prepare("PRAGMA quick_check(1)").get() as { quick_check: string };
  if (found !== "ok") throw new Error(found);
}

function migrate(database: DatabaseSync, path: string): void {
  const { user_version: found } = database.prepare("PRAGMA user_version").get() as { user_version: number };
  if (found === schemaVersion) return;
  if (found !== 0) {
    throw new SpawnerError(
      "unavailable",
      `${path} has schema version ${found}; this release needs ${schemaVersion}. Use the release that wrote it, or another --state-dir.`,
    );
  }
  database.exec(`${schema} PRAGMA user_version = ${schemaVersion};`);
}

function explain(error: unknown, { stateDir, path, ownerFile }: { stateDir: string; path: string; ownerFile: string }) {
  if (error instanceof SpawnerError) return error;
  const { message, errcode } = error as Error & { errcode?: number };
  const code = (errcode ?? 0) & 0xff; // the primary code (https://www.sqlite.org/rescode.html)
  if (code === 13 /* SQLITE_FULL */) {
    return new SpawnerError(
      "unavailable",
      `${path} cannot be made: the disk is full. Free some space on it, or use another --state-dir.`,
      { cause: error },
    );
  }
  if (code === 5 /* SQLITE_BUSY */) {
    return new SpawnerError(
      "unavailable",
      `The state folder ${stateDir} is in use by another Spawner${ownerOf(ownerFile)}. Stop that one, or use another --state-dir.`,
      { cause: error },
    );
  }
  return new SpawnerError(
    "unavailable",
    `${path} cannot be read: ${message}. Move it and ${path}-wal away to begin anew (what they recorded is lost, and programs that still run have to be ended by hand), or use another --state-dir.`,
    { cause: error },
  );
}

function ownerOf(ownerFile: string): string {
  try {
    return ` (process ${readFileSync(ownerFile, "utf8").trim()})`;
  } catch {
    return ""; // locked before its owner wrote who it is
  }
}

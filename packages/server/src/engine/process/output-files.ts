import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fromWholeCharacter } from "../../lib/utf8.ts";

/** What is kept of a program's output: bytes from `start` up to `end`, counted from the first that it wrote. */
export interface OutputExtent {
  readonly start: number;
  readonly end: number;
}

/** How often to look for what a program has written while its output was copied. */
const copyRoundsMax = 4;
/** Where less than this is free, output gives way to records: without those nobody could start or end a session. */
const lowDiskBytes = 16 * 1024 * 1024;
/** What a file may hold then. */
const lowDiskFileBytesMax = 64 * 1024;

/**
 * Where programs' output goes: one file a workload, opened with O_APPEND by the program itself, so that it outlives the
 * server. When a file holds half of `bytesMax`, its end is copied to an older file, and it is emptied under the program's
 * hands; what is written in just that moment is lost.
 */
export class OutputFiles {
  readonly #folder: string;
  readonly #fileBytesMax: number;
  /** By UID: how many bytes went out of files that were emptied. */
  readonly #emptied = new Map<string, number>();

  constructor(stateDir: string, { bytesMax }: { bytesMax: number }) {
    this.#folder = join(stateDir, "output");
    this.#fileBytesMax = Math.ceil(bytesMax / 2);
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  /** Opens the file for the program's stdout and stderr; the caller closes it when the program has it. */
  openForAppend(uid: string): number {
    return openSync(this.#pathOf(uid), "a", 0o600);
  }

  extent(uid: string): OutputExtent {
    const emptied = this.#emptiedOf(uid);
    return { start: emptied - sizeOf(this.#olderPathOf(uid)), end: emptied + sizeOf(this.#pathOf(uid)) };
  }

  /** At most `bytesMax` bytes from position `from` of the extent, or fewer; none at its end. */
  read(uid: string, { from, bytesMax }: { from: number; bytesMax: number }): Buffer {
    const emptied = this.#emptiedOf(uid);
    if (from >= emptied) return readAt(this.#pathOf(uid), from - emptied, bytesMax);
    const older = this.#olderPathOf(uid);
    return readAt(older, from - (emptied - sizeOf(older)), Math.min(bytesMax, emptied - from));
  }

  /** All from position `from` up to `to` that is kept. */
  readRange(uid: string, { from, to }: { from: number; to: number }): Buffer {
    const parts: Buffer[] = [];
    for (let position = from; position < to; ) {
      const part = this.read(uid, { from: position, bytesMax: to - position });
      if (part.length === 0) break; // removed meanwhile
      parts.push(part);
      position += part.length;
    }
    return Buffer.concat(parts);
  }

  /** The last `bytesMax` bytes, or a few less so that no character is cut; empty where nothing was written. */
  readTail(uid: string, bytesMax: number): Buffer {
    const { start, end } = this.extent(uid);
    const from = Math.max(start, end - bytesMax);
    const tail = this.readRange(uid, { from, to: end });
    return from > start ? fromWholeCharacter(tail) : tail;
  }

  /** Makes sure that no more is kept than may be. Returns whether something had to go. */
  limit(uid: string): boolean {
    const path = this.#pathOf(uid);
    const older = this.#olderPathOf(uid);
    const bytesMax = this.#fileBytesMaxNow();
    if (sizeOf(path) <= bytesMax && sizeOf(older) <= 2 * bytesMax) return false;
    const emptied = this.#emptiedOf(uid) + copyEnd(path, older, bytesMax);
    truncateSync(path);
    this.#emptied.set(uid, emptied);
    return true;
  }

  remove(uid: string): void {
    this.#emptied.delete(uid);
    rmSync(this.#pathOf(uid), { force: true });
    rmSync(this.#olderPathOf(uid), { force: true });
  }

  /** Removes the files of all but these: a crash may have come between the end of a record and that of its files. */
  removeAllBut(uids: ReadonlySet<string>): void {
    for (const file of readdirSync(this.#folder)) {
      const [uid = ""] = file.split(".");
      if (!uids.has(uid)) rmSync(join(this.#folder, file), { force: true });
    }
  }

  #fileBytesMaxNow(): number {
    const { bavail, bsize } = statfsSync(this.#folder);
    return bavail * bsize < lowDiskBytes ? Math.min(lowDiskFileBytesMax, this.#fileBytesMax) : this.#fileBytesMax;
  }

  #emptiedOf(uid: string): number {
    return this.#emptied.get(uid) ?? sizeOf(this.#olderPathOf(uid));
  }

  #pathOf(uid: string): string {
    return join(this.#folder, outputFileName(uid));
  }

  #olderPathOf(uid: string): string {
    return join(this.#folder, `${uid}.older.log`);
  }
}

/** The name of the file that is a program's stdout and stderr. */
export function outputFileName(uid: string): string {
  return `${uid}.log`;
}

/**
 * Copies the end of a file, and then what was written to it meanwhile, so that as little as can be is lost when it is emptied.
 * Returns how long it was in the end. The copy has at most twice `bytesMax`.
 */
function copyEnd(path: string, copy: string, bytesMax: number): number {
  let copied = 0;
  try {
    for (let round = 0; round < copyRoundsMax; round++) {
      const size = sizeOf(path);
      if (round > 0 && size === copied) break;
      const isLittle = size - copied <= bytesMax / copyRoundsMax;
      if (round > 0 && isLittle) appendFileSync(copy, readAt(path, copied, size - copied));
      else writeFileSync(copy, readAt(path, size - bytesMax, Math.min(size, bytesMax)), { mode: 0o600 });
      copied = size;
    }
    return copied;
  } catch {
    rmSync(copy, { force: true }); // a full disk, maybe filled by this very file: it is emptied all the same
    return sizeOf(path);
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function readAt(path: string, position: number, bytesMax: number): Buffer {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return Buffer.alloc(0); // never started, or removed
  }
  try {
    const bytes = Buffer.alloc(bytesMax);
    return bytes.subarray(0, readSync(file, bytes, 0, bytesMax, Math.max(position, 0)));
  } finally {
    closeSync(file);
  }
}

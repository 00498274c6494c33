import { closeSync, fstatSync, mkdirSync, openSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Where programs' output goes: one file a workload, opened with O_APPEND, so that programs outlive the server. */
export class OutputFiles {
  readonly #folder: string;

  constructor(stateDir: string) {
    this.#folder = join(stateDir, "output");
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  /** Opens the file for the program's stdout and stderr; the caller closes it when the program has it. */
  openForAppend(uid: string): number {
    return openSync(this.#pathOf(uid), "a", 0o600);
  }

  /** The last `bytesMax` bytes, or a few less so that no character is cut; empty if there is no such file. */
  readTail(uid: string, bytesMax: number): Buffer {
    let file: number;
    try {
      file = openSync(this.#pathOf(uid), "r");
    } catch {
      return Buffer.alloc(0); // never started, or removed
    }
    try {
      const { size } = fstatSync(file);
      const tail = Buffer.alloc(Math.min(size, bytesMax));
      const read = tail.subarray(0, readSync(file, tail, 0, tail.length, size - tail.length));
      return size > bytesMax ? fromWholeCharacter(read) : read;
    } finally {
      closeSync(file);
    }
  }

  remove(uid: string): void {
    rmSync(this.#pathOf(uid), { force: true });
  }

  #pathOf(uid: string): string {
    return join(this.#folder, `${uid}.log`);
  }
}

/** Without the end of a UTF-8 character that was cut in two (RFC 3629: such bytes begin with the bits 10). */
function fromWholeCharacter(text: Buffer): Buffer {
  const start = text.subarray(0, 4).findIndex((byte) => (byte & 0xc0) !== 0x80);
  return text.subarray(Math.max(start, 0));
}

/** The last `count` lines of `text`. */
export function lastLines(text: Buffer, count: number): Buffer {
  const newline = 10;
  const end = text.at(-1) === newline ? text.length - 1 : text.length;
  if (count === 0) return text.subarray(text.length);
  let before = end; // the newline before the lines wanted; -1: there is none
  for (let lines = 0; lines < count && before >= 0; lines++) {
    before = before === 0 ? -1 : text.lastIndexOf(newline, before - 1);
  }
  return text.subarray(before + 1);
}

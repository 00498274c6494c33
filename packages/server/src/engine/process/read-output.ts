import type { Clock } from "../../lib/clock.ts";
import { pause } from "../../lib/pause.ts";
import type { LogQuery } from "../engine.ts";
import type { OutputFiles } from "./output-files.ts";

const newline = 10;
/** How much is read at once: what a reader that is slow makes us hold. */
const chunkBytes = 64 * 1024;
/** How often to look for more of it. */
const followPollMs = 100;

export interface OutputSource {
  readonly clock: Clock;
  readonly output: OutputFiles;
  readonly uid: string;
  /** Whether the program will write no more. */
  isOver(): boolean;
}

/** What a program wrote, in the order of its writing; no file is open between two parts. */
export async function* readOutput(
  source: OutputSource,
  { tailLines, follow, signal }: LogQuery,
): AsyncGenerator<Buffer> {
  const { clock, output, uid } = source;
  const { start, end } = output.extent(uid);
  let position = tailLines === undefined ? start : startOfLastLines(source, tailLines);
  while (!signal?.aborted) {
    const over = source.isOver(); // asked before the last look, so that nothing is written in between
    const bytesMax = follow ? chunkBytes : Math.min(chunkBytes, end - position);
    position = Math.max(position, output.extent(uid).start);
    const bytes = bytesMax > 0 ? output.read(uid, { from: position, bytesMax }) : Buffer.alloc(0);
    position += bytes.length;
    if (bytes.length > 0) yield bytes;
    else if (over || !follow) return;
    else await pause(clock, followPollMs, signal);
  }
}

/** Where the last `count` lines begin. Read backwards, so that a long output costs no memory. */
function startOfLastLines({ output, uid }: OutputSource, count: number): number {
  const { start, end } = output.extent(uid);
  if (count === 0) return end;
  let newlinesLeft = count;
  let position = end - 1; // a newline at the very end closes the last line and begins none
  while (position > start) {
    const from = Math.max(position - chunkBytes, start);
    const chunk = output.readRange(uid, { from, to: position });
    for (let at = chunk.lastIndexOf(newline); at >= 0; at = at === 0 ? -1 : chunk.lastIndexOf(newline, at - 1)) {
      newlinesLeft -= 1;
      if (newlinesLeft === 0) return from + at + 1;
    }
    position = from;
  }
  return start;
}

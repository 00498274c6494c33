import { deadlines } from "../core/deadlines.ts";
import { messageBytesMax, messageLinesMax } from "../core/describe-output.ts";
import { fromWholeCharacter } from "../lib/utf8.ts";
import type { LogQuery } from "./engine.ts";

/**
 * The last lines that a program wrote, as many as a message takes; "" where there are none. What has not come in the time that a
 * call has is done without: the node that has it may be gone.
 */
export async function readLastOutput(read: (query: LogQuery) => AsyncIterable<Uint8Array>): Promise<string> {
  let end = Buffer.alloc(0);
  let isCut = false;
  const signal = AbortSignal.timeout(deadlines.apiServerMs);
  for await (const bytes of read({ tailLines: messageLinesMax, signal })) {
    const all = Buffer.concat([end, bytes]);
    isCut ||= all.length > messageBytesMax;
    end = all.subarray(-messageBytesMax);
  }
  return (isCut ? fromWholeCharacter(end) : end).toString("utf8");
}

import { messageBytesMax, messageLinesMax } from "../core/describe-output.ts";
import type { Engine, WorkloadIdentity } from "../engine/index.ts";
import { fromWholeCharacter } from "../lib/utf8.ts";

/** The last lines that a program wrote, as many as a message takes; "" where there are none. */
export async function readLastOutput({ workloads }: Engine, identity: WorkloadIdentity): Promise<string> {
  let end = Buffer.alloc(0);
  let isCut = false;
  for await (const bytes of workloads.logs(identity, { tailLines: messageLinesMax })) {
    const all = Buffer.concat([end, bytes]);
    isCut ||= all.length > messageBytesMax;
    end = all.subarray(-messageBytesMax);
  }
  return (isCut ? fromWholeCharacter(end) : end).toString("utf8");
}

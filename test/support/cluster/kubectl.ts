import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** What `kubectl ARGS` writes. Rejects with what it says where it fails. */
export async function kubectl(args: readonly string[], input?: string): Promise<string> {
  const running = promisify(execFile)("kubectl", args, { maxBuffer: 64 * 1024 * 1024 });
  running.child.stdin?.end(input);
  return (await running).stdout;
}

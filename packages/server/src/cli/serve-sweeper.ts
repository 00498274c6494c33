import { aborted } from "../lib/aborted.ts";
import { run } from "../sweeper/index.ts";
import { runRole } from "./role-process.ts";
import type { SweeperFlags } from "./sweeper.ts";

/** Sweeps until a signal asks this process to end. */
export function serveSweeper(flags: SweeperFlags): Promise<void> {
  const { nodeName } = flags;
  const node = nodeName === undefined ? {} : { nodeName };
  return runRole({ role: "sweeper", flags, keys: "read", ...node }, async ({ ending, hurried, ...deps }) => {
    const sweeper = run(node, deps);
    await aborted(ending);
    await Promise.race([sweeper.close(), aborted(hurried)]);
  });
}

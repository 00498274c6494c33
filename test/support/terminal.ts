import { spawnSync } from "node:child_process";
import { runCommand, spawnerCommand } from "./dev.ts";

/** Why there is no pseudo terminal here; undefined where there is one. */
export const noTerminal =
  spawnSync("script", ["--version"], { encoding: "utf8" }).stdout?.includes("util-linux") === true
    ? undefined
    : "script of util-linux makes the terminal, and is not installed";

/**
 * `spawner ARGS` on a terminal of its own, by script(1). What is typed goes to the child's stdin (`\x03` is Ctrl-C, and tells
 * the whole process group); killing the child hangs up.
 */
export function runInTerminal(
  args: readonly string[],
  { columns = 80, rows = 24, env }: { columns?: number; rows?: number; env?: Record<string, string> } = {},
) {
  const command = spawnerCommand(args).map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  const line = `stty cols ${columns} rows ${rows}; exec ${command.join(" ")}`;
  // Node takes a terminal for one without colours where CI is set.
  const terminal = { SHELL: "/bin/sh", TERM: "xterm", CI: undefined };
  return runCommand(["script", "-qefc", line, "/dev/null"], { ...terminal, ...env });
}

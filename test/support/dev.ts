import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const main = fileURLToPath(new URL("../../packages/server/src/cli/main.ts", import.meta.url));

/** `spawner ARGS` as a process of its own, ended with the test. */
export function runSpawner(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  return runCommand(spawnerCommand(args), env);
}

/** What runs `spawner ARGS`. */
export function spawnerCommand(args: readonly string[]): string[] {
  return [process.execPath, main, ...args];
}

/** A command as a process of its own, ended with the test. A variable that is undefined is taken away from it. */
export function runCommand([program = "", ...args]: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const output = collect(child);
  const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  return { child, output, exited };
}

/** What the process wrote so far, and a wait for more of it. */
export function collect(child: ChildProcess) {
  let text = "";
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (bytes) => {
      text += bytes;
      for (const look of waiting) look();
    });
  }
  return {
    get text() {
      return text;
    },
    /** Resolves to the first match; rejects after `withinMs`. */
    waitFor(pattern: RegExp, withinMs = 20_000): Promise<RegExpExecArray> {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`${pattern} was not written, but:\n${text}`)), withinMs);
        const look = () => {
          const match = pattern.exec(text);
          if (match === null) return;
          clearTimeout(timer);
          waiting.delete(look);
          resolve(match);
        };
        waiting.add(look);
        look();
      });
    },
  };
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "spawner-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** `spawner dev` on any free port, with its address once it serves. */
export async function startDev(
  command: readonly string[],
  options: { args?: string[]; env?: Record<string, string> } = {},
) {
  const stateDir = temporaryFolder();
  const args = ["dev", "--port", "0", "--state-dir", stateDir, ...(options.args ?? []), "--", ...command];
  const spawner = runSpawner(args, options.env);
  onTestFinished(async () => {
    spawner.child.kill("SIGINT"); // ends the sessions too
    await spawner.exited;
  });
  const [, url = ""] = await spawner.output.waitFor(/(http:\/\/127\.0\.0\.1:\d+)\/ /, 60_000);
  return { ...spawner, url, stateDir };
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import type { Backend } from "../../core/resource.ts";
import { sidecarContainer } from "./sidecar-container.ts";

const backend: Backend = {
  metadata: { name: "b", uid: "u", resourceVersion: "1", creationTimestamp: "2026-11-25T21:00:00Z", labels: {} },
  spec: { template: { containers: [{ image: "i" }] } },
  status: {},
};

/** The sidecar's command with another program in Node's place; `written` has what it wrote. */
function start(program: string) {
  const { command } = sidecarContainer(backend, { sidecarImage: "spawner:1", controlKey: "key" });
  const [shell = "", ...rest] = (command as readonly string[]).slice(0, 3);
  const child = spawn(shell, [...rest, process.execPath, "--eval", program], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const exited = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  return { child, written: once(child.stdout, "data"), exited };
}

test("ends with the code of the program", async () => {
  const [code] = await start("process.exit(7)").exited;
  expect(code).toBe(7);
});

test("a signal that the program is not ready for ends it", async () => {
  const { child, written, exited } = start("console.log(1); setInterval(() => {}, 1e6)");
  await written;
  child.kill("SIGTERM");
  expect(await exited).toEqual([128 + 15, null]);
});

test("asked twice, the program is asked once, and its end waited for", async () => {
  const { child, written, exited } = start(`
    let asked = 0;
    process.on("SIGTERM", () => { asked += 1; setTimeout(() => process.exit(10 + asked), 300); });
    setInterval(() => {}, 1e6);
    console.log("ready");
  `);
  await written;
  child.kill("SIGTERM");
  setTimeout(() => child.kill("SIGTERM"), 100);
  expect(await exited).toEqual([11, null]);
});

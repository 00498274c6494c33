import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { Backend } from "../../core/resource.ts";
import { identifyProcess, isAlive } from "../../lib/linux-processes.ts";
import { eventually, makeProcessHarness, type ProcessHarness } from "./fixtures/harness.ts";
import type { ProcessEngine } from "./process-engine.ts";

let harness: ProcessHarness;
let engine: ProcessEngine;

beforeEach(async () => {
  harness = await makeProcessHarness();
  engine = await harness.open();
});

afterEach(async () => {
  await harness.dispose();
  expect(await harness.remains()).toEqual([]);
});

const remove = async (backend: Backend, graceSeconds: number) => {
  await engine.workloads.remove(backend.metadata, graceSeconds);
  await harness.until(backend, "absent");
};

/** A stranger that listens on the port until the test is over. */
async function occupy(port: number) {
  const stranger = createServer();
  onTestFinished(() => void stranger.close());
  await new Promise<void>((resolve) => stranger.listen({ host: "127.0.0.1", port }, resolve));
}

/** The port that the program was given after this one. */
const secondPort = async (backend: Backend, first: number) => {
  const [, port] = await harness.written(backend, new RegExp(`PORT=${first}\\n[^]*PORT=(\\d+)`));
  return Number(port);
};

const portOf = async (backend: Backend) => Number((await harness.written(backend, /PORT=(\d+)/))[1]);

describe("all that a program has started", () => {
  const startThree = async () => {
    const backend = await harness.start("leaves-others-behind");
    const [, member, stray] = await harness.written(backend, /member=(\d+) stray=(\d+)/);
    // The two have left Node's image, and with it the environment, only when they run their own.
    await eventually(() => expect(harness.processesOf(backend)).toHaveLength(3));
    const others = [Number(member), Number(stray)];
    const leader = harness.processesOf(backend).find((pid) => !others.includes(pid)) ?? expect.unreachable();
    return { backend, leader };
  };
  const isGone = (backend: Backend) => eventually(() => expect(harness.processesOf(backend)).toEqual([]));

  test("is gone with it when it is removed, in its process group or out of it", async () => {
    const { backend } = await startThree();
    await remove(backend, 30);
    await isGone(backend);
  });

  test("is gone when the program itself has ended", async () => {
    const { backend, leader } = await startThree();
    process.kill(leader, "SIGKILL");
    expect((await harness.until(backend, "ended")).end.message).toContain("was ended by SIGKILL");
    await isGone(backend);
  });

  test("is gone when the program ends after the engine was opened again", async () => {
    const { backend, leader } = await startThree();
    await harness.reopen();
    process.kill(leader, "SIGKILL");
    await harness.until(backend, "ended");
    await isGone(backend);
  });
});

describe("what has left the program's process group and has lost its environment", () => {
  const startStray = async (env: Record<string, string> = {}) => {
    const backend = await harness.start("leaves-a-nameless-one-behind", env);
    const stray = Number((await harness.written(backend, /stray=(\d+)/))[1]);
    onTestFinished(() => void (isAlive(stray) && process.kill(stray, "SIGKILL")));
    await eventually(() => expect(harness.processesOf(backend)).toHaveLength(1)); // the program itself: `env` has become another
    expect(isAlive(stray)).toBe(true);
    return { backend, stray };
  };
  const isGone = (stray: number) => eventually(() => expect(identifyProcess(stray)).toBeUndefined());

  test.each([
    ["stdout", { STDERR: "ignore" }],
    ["stderr", { STDOUT: "ignore" }],
  ])("is gone with the program where its %s is still the program's output", async (_, env) => {
    const { backend, stray } = await startStray(env);
    await remove(backend, 30);
    await isGone(stray);
  });

  test("is gone as well when the program ends after the engine was opened again, and its record is gone", async () => {
    const { backend, stray } = await startStray();
    await engine.backends.delete(backend.metadata); // and with it the output file
    engine = await harness.reopen();
    await remove(backend, 30);
    await isGone(stray);
  });
});

describe("a program that is removed", () => {
  test("and ignores SIGTERM is killed when the grace is over, which later calls cannot draw out", async () => {
    const backend = await harness.start("stubborn");
    await harness.written(backend, /listening/);
    await engine.workloads.remove(backend.metadata, 0.2);
    await engine.workloads.remove(backend.metadata, 3_600);
    await harness.until(backend, "absent");
    expect(harness.processesOf(backend)).toEqual([]);
    expect((await harness.written(backend, /asked to end/)).input.match(/asked to end/g)).toHaveLength(1);
  });

  test("while it is being started is gone all the same", async () => {
    const backend = await engine.backends.create({ name: "b", spec: harness.spec("sleeps") });
    await Promise.all([engine.workloads.ensure(backend), engine.workloads.remove(backend.metadata, 0)]);
    await harness.until(backend, "absent");
    expect(harness.processesOf(backend)).toEqual([]);
  });

  test("before it listens is not said to listen any more", async () => {
    const backend = await harness.start("listens-when-told");
    await portOf(backend);
    const [pid] = harness.processesOf(backend);
    process.kill(pid ?? expect.unreachable(), "SIGSTOP"); // so that SIGTERM does not end it yet
    await engine.workloads.remove(backend.metadata, 3_600);
    const timers = harness.timersMade();
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect(harness.timersMade()).toBe(timers);
    await remove(backend, 0);
    expect(harness.relayHostOf(backend).listened).toEqual([]);
  });

  test("just as it ends by itself leaves no record of it behind", async () => {
    const backend = await harness.start("sleeps");
    const [pid] = await eventually(() => {
      const pids = harness.processesOf(backend);
      expect(pids).toHaveLength(1);
      return pids;
    });
    process.kill(pid ?? expect.unreachable(), "SIGKILL");
    // Waits in this turn of the event loop: the end is a fact then, and nobody has been told of it.
    const giveUpAt = Date.now() + 5_000;
    while (harness.processesOf(backend).length > 0 && Date.now() < giveUpAt);
    await engine.workloads.remove(backend.metadata, 3_600);
    await harness.until(backend, "absent");
    const again = await harness.reopen();
    expect(await again.workloads.list()).toEqual([]);
  });

  test("has its relay host ended at once, and closed at the end", async () => {
    const backend = await harness.start("stubborn");
    await harness.written(backend, /listening/);
    const host = harness.relayHostOf(backend);
    await engine.workloads.remove(backend.metadata, 3_600);
    expect(host).toMatchObject({ ended: true, closed: false });
    await remove(backend, 0);
    expect(host.closed).toBe(true);
  });
});

describe("the port of a program", () => {
  test("is its own among many started at once", async () => {
    const backends = await Promise.all(
      Array.from({ length: 20 }, (_, index) => harness.start("sleeps", {}, `b-${index}`)),
    );
    const ports = await Promise.all(backends.map(portOf));
    expect(new Set(ports).size).toBe(20);
  });

  test.each([
    ["127.0.0.1", "127.0.0.1"],
    ["0.0.0.0", "127.0.0.1"],
    ["::1", "0:0:0:0:0:0:0:1"],
  ])("listened on at %s is said to the relay host, once, with the host %s", async (given, host) => {
    const backend = await harness.start("serves", { HOST: given });
    await harness.written(backend, /listening/);
    const { listened } = harness.relayHostOf(backend);
    await eventually(() => expect(listened).toHaveLength(1));
    expect(listened[0]).toEqual({ host, port: expect.any(Number) });
  });

  test("is another one when a stranger listens on the first: the program is started anew", async () => {
    const backend = await harness.start("listens-when-told");
    const port = await portOf(backend);
    const [first = expect.unreachable("it runs")] = harness.processesOf(backend);
    await occupy(port);
    const second = await secondPort(backend, port);
    await eventually(() => expect(identifyProcess(first)).toBeUndefined());
    expect(harness.relayHostOf(backend).listened).toEqual([]);
    const [pid = expect.unreachable("it runs"), ...others] = harness.processesOf(backend);
    expect(others).toEqual([]);
    process.kill(pid, "SIGUSR2");
    const listened = [{ host: "127.0.0.1", port: second }];
    await eventually(() => expect(harness.relayHostOf(backend).listened).toEqual(listened));
    expect(harness.recordOf(backend)).toMatchObject({ programPort: second, process: { pid } });
  });

  test("is another one too when the program ends because its own was taken", async () => {
    const backend = await harness.start("listens-when-told");
    const port = await portOf(backend);
    const [pid = expect.unreachable("it runs")] = harness.processesOf(backend);
    process.kill(pid, "SIGSTOP"); // so that the stranger is not seen before
    await occupy(port);
    process.kill(pid, "SIGKILL");
    await secondPort(backend, port);
    expect(await engine.workloads.observe(backend.metadata)).toMatchObject({ kind: "running" });
  });

  test("is not looked for without end: after four the program could not be started", async () => {
    const backend = await harness.start("listens-when-told");
    const taken = new Set<number>();
    await eventually(async () => {
      const port = harness.recordOf(backend)?.programPort ?? expect.unreachable("it is recorded");
      if (!taken.has(port)) await occupy(port);
      taken.add(port);
      expect(await engine.workloads.observe(backend.metadata)).toMatchObject({ kind: "ended" });
    });
    expect(taken.size).toBe(4);
    expect(await engine.workloads.observe(backend.metadata)).toMatchObject({
      end: {
        reason: "StartError",
        message: expect.stringMatching(/4 times in a row.* Its last output:\n(.*\n)*PORT=\d+/),
      },
    });
    await eventually(() => expect(harness.processesOf(backend)).toEqual([])); // it was killed, and may still be dying
  });

  test("can be asked to end while it moves to another port", async () => {
    const backend = await harness.start("listens-when-told");
    await occupy(await portOf(backend));
    const [pid = expect.unreachable("it runs")] = harness.processesOf(backend);
    await eventually(() => expect(identifyProcess(pid)).toBeUndefined());
    await remove(backend, 0);
    expect(harness.processesOf(backend)).toEqual([]);
  });
});

describe("what a program wrote", () => {
  test("is in the message of its end: its last lines, and no more than 2 kB", async () => {
    const backend = await harness.start("writes-5-megabytes");
    const { end } = await harness.until(backend, "ended");
    expect(end.reason).toBe("Crashed");
    expect(end.message).toMatch(/^The program exited with code 1\. Its last output:\n[\s\S]*\nthe very last line!$/);
    const output = end.message.slice(end.message.indexOf("\n") + 1);
    expect(Buffer.byteLength(output)).toBeLessThanOrEqual(2_048);
    expect(output.split("\n").length).toBeGreaterThan(2);
    expect(output).not.toContain("\ufffd"); // no half of a character
  });

  test("nothing, is said so", async () => {
    const backend = await harness.start("exits-0");
    expect((await harness.until(backend, "ended")).end.message).toBe(
      "The program exited with code 0. It wrote nothing.",
    );
  });
});

describe("a program that cannot be started", () => {
  test.each([
    ["does not exist", { command: ["no-such-program"], cwd: "/" }, /"no-such-program".*not found \(looked for in PATH/],
    [
      "is not executable",
      { command: [fileURLToPath(import.meta.url)], cwd: "/" },
      /programs\.test\.ts".*: not executable/,
    ],
    ["has no folder", { command: ["sleep", "1"], cwd: "/no/such" }, /"sleep".*: its folder \/no\/such does not exist/],
    ["is none", { command: [""], cwd: "/" }, /"" could not be started: /],
  ])("because it %s ends as StartError, and says why", async (_, { command, cwd }, message) => {
    const backend = await engine.backends.create({ name: "b", spec: harness.specOf(command, {}, cwd) });
    expect(await engine.workloads.ensure(backend)).toMatchObject({
      kind: "ended",
      end: { reason: "StartError", message: expect.stringMatching(message) },
    });
  });
});

test("a program is looked up in the server's PATH, whatever its own environment has", async () => {
  const folder = mkdtempSync(join(tmpdir(), "spawner-path-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ["sh", "sleep"]) {
    writeFileSync(join(folder, name), "#!/bin/sh\nexec /bin/sleep 999\n", { mode: 0o755 });
  }
  const spec = harness.specOf(["sh", "-c", 'echo "in $PATH"; exec /bin/sleep 600'], { PATH: folder });
  const backend = await engine.backends.create({ name: "b", spec });
  await engine.workloads.ensure(backend);
  expect((await harness.written(backend, /in (.*)\n/))[1]).toBe(folder);

  const lone = await engine.backends.create({ name: "c", spec: harness.specOf(["sleep", "600"], { PATH: folder }) });
  expect(await engine.workloads.ensure(lone)).toMatchObject({ kind: "running" });
  await eventually(() => expect(harness.processesOf(lone)).toHaveLength(1));
  const [pid] = harness.processesOf(lone);
  expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).toBe("sleep\x00600\x00");
});

test("the server's own flags, some of them secret, do not reach programs", async () => {
  process.env.SPAWNER_TOKENS = "secret";
  try {
    const env = { PATH: process.env.PATH ?? "", EMPTY: "" };
    const spec = harness.specOf(["sh", "-c", "env; exec sleep 600"], env);
    const backend = await engine.backends.create({ name: "b", spec });
    await engine.workloads.ensure(backend);
    const { input } = await harness.written(backend, /SPAWNER_FENCING_TOKEN=/);
    expect(input.match(/^SPAWNER_.*$/gm)?.toSorted()).toEqual([
      `SPAWNER_BACKEND=b/${backend.metadata.uid}`,
      `SPAWNER_FENCING_TOKEN=${backend.metadata.resourceVersion}`,
    ]);
    expect(input).toMatch(/^EMPTY=$/m);
  } finally {
    delete process.env.SPAWNER_TOKENS;
  }
});

test("starting and ending leaves no descriptor behind", async () => {
  const descriptors = () => readdirSync("/proc/self/fd").length;
  const cycle = async (index: number) => {
    const backend = await harness.start("sleeps", {}, `b-${index}`);
    await remove(backend, 30);
    await engine.backends.delete(backend.metadata);
  };
  await cycle(0);
  const before = descriptors();
  for (let index = 1; index <= 20; index++) await cycle(index);
  await eventually(() => expect(descriptors()).toBe(before));
});

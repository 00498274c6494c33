import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  groupHoldsSocket,
  identifyProcess,
  isAlive,
  isSameProcess,
  markedProcesses,
  processesWithEnv,
  processGroupMembers,
} from "./linux-processes.ts";
import { readListeningSockets } from "./listening-sockets.ts";

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
});

async function start(command: readonly string[], env: Record<string, string> = {}) {
  const [program = "", ...args] = command;
  const child = spawn(program, args, {
    detached: true,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  await once(child, "spawn");
  return {
    child,
    pid: child.pid ?? expect.unreachable(),
    lines: createInterface(child.stdout)[Symbol.asyncIterator](),
  };
}

const eventually = <Result>(assertion: () => Result) => vi.waitFor(assertion, { timeout: 10_000, interval: 10 });

describe("a process", () => {
  test("is the same until it ends, and not any more as a zombie or after", async () => {
    const { child, pid } = await start(["sleep", "600"]);
    const identity = identifyProcess(pid) ?? expect.unreachable();
    expect(identity).toEqual({
      pid,
      startTime: expect.stringMatching(/^\d+$/),
      bootId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(identifyProcess(pid)).toEqual(identity);
    expect(isSameProcess(identity)).toBe(true);

    process.kill(pid, "SIGKILL");
    // In this turn of the event loop nobody reaps it: what is seen at the end is a zombie.
    const giveUpAt = Date.now() + 5_000;
    while (isSameProcess(identity) && Date.now() < giveUpAt);
    expect(isAlive(pid)).toBe(true);
    expect(identifyProcess(pid)).toBeUndefined();
    await once(child, "exit");
    expect(isAlive(pid)).toBe(false);
    expect(isSameProcess(identity)).toBe(false);
  });

  test.each([{ startTime: "1" }, { bootId: "another" }])("is not one with %j", async (change) => {
    const { pid } = await start(["sleep", "600"]);
    expect(isSameProcess({ ...(identifyProcess(pid) ?? expect.unreachable()), ...change })).toBe(false);
  });

  test("whose name holds blanks and parentheses is read all the same", async () => {
    const { pid } = await start([
      process.execPath,
      "-e",
      "process.title = ') R 1 (x y) Z'; setInterval(() => {}, 1e5)",
    ]);
    await eventually(() => expect(identifyProcess(pid)).toBeDefined());
    await eventually(() => expect(processGroupMembers(pid)).toEqual([pid]));
  });
});

test("a group is its leader and all that it has started, but nobody who has left it", async () => {
  const { pid, lines } = await start(["sh", "-c", "sleep 600 & echo $!; setsid sleep 600 & echo $!; wait"]);
  const member = Number((await lines.next()).value);
  const stray = Number((await lines.next()).value);
  try {
    await eventually(() => expect(processGroupMembers(pid).sort()).toEqual([pid, member].sort()));
  } finally {
    for (const left of [member, stray]) process.kill(left, "SIGKILL");
  }
});

describe("processes are found by their environment", () => {
  test("wherever they are, and only by the whole variable", async () => {
    const value = randomUUID();
    const { pid, lines } = await start(["sh", "-c", "setsid sleep 600 & echo $!; wait"], {
      TEST_OF: value,
      OTHER: "1",
    });
    const stray = Number((await lines.next()).value);
    await eventually(() => expect(processesWithEnv("TEST_OF", value).sort()).toEqual([pid, stray].sort()));
    for (const [name, other] of [
      ["TEST_OF", value.slice(0, -1)],
      ["TEST_OF", `${value}0`],
      ["EST_OF", value],
      ["TEST_O", value],
    ] as const) {
      expect(processesWithEnv(name, other)).toEqual([]);
    }
    process.kill(stray, "SIGKILL");
    await eventually(() => expect(processesWithEnv("TEST_OF", value)).toEqual([])); // the shell waited for it
  });

  test("also by the first variable there is", async () => {
    const value = randomUUID();
    const child = spawn("sleep", ["600"], {
      env: { ONLY: value, PATH: process.env.PATH },
      detached: true,
      stdio: "ignore",
    });
    children.push(child);
    await eventually(() => expect(processesWithEnv("ONLY", value)).toEqual([child.pid]));
  });
});

test("processes are found by either of their marks, and not by anything that only looks like one", async () => {
  const [value, folder] = [randomUUID(), mkdtempSync(join(tmpdir(), "spawner-marks-"))];
  const startWith = (file: string, descriptor: 1 | 2 | 3, env: Record<string, string> = {}) => {
    const opened = openSync(join(folder, file), "a");
    const stdio = ["ignore", ...[1, 2, 3].map((each) => (each === descriptor ? opened : ("ignore" as const)))] as const;
    const child = spawn("sleep", ["600"], { env: { PATH: process.env.PATH, ...env }, stdio: [...stdio] });
    closeSync(opened);
    children.push(child);
    return child.pid ?? expect.unreachable();
  };
  const outputFile = `${value}.log`;
  const found = [startWith(outputFile, 1), startWith(outputFile, 2), startWith("x", 1, { MARK: value })];
  // Another file, another descriptor (it may only read), another variable.
  startWith(`not-${outputFile}`, 1);
  startWith(outputFile, 3);
  startWith("x", 1, { MARKS: value });
  const look = () => markedProcesses({ env: { name: "MARK", value }, outputFile }).sort();
  await eventually(() => expect(look()).toEqual(found.toSorted()));
  rmSync(folder, { recursive: true });
  expect(look()).toEqual(found.toSorted());
});

describe("a socket", () => {
  const listeningOn = (port: number) =>
    eventually(() => [...readListeningSockets()].flat().find((socket) => socket.port === port) ?? expect.unreachable());

  test("belongs to the group of which a member listens on it, be it the leader or not", async () => {
    const serve = `require("net").createServer().listen(0, "127.0.0.1", function () { console.log(this.address().port) })`;
    const asLeader = await start([process.execPath, "-e", serve]);
    const asMember = await start(["sh", "-c", '"$0" -e "$1"; true', process.execPath, serve]);
    const sockets: { inode: string }[] = [];
    for (const { lines } of [asLeader, asMember]) sockets.push(await listeningOn(Number((await lines.next()).value)));
    const held = [asLeader, asMember].map(({ pid }) => sockets.map(({ inode }) => groupHoldsSocket(pid, inode)));
    expect(held).toEqual([
      [true, false],
      [false, true],
    ]);
    for (const pid of processGroupMembers(asMember.pid)) if (pid !== asMember.pid) process.kill(pid, "SIGKILL");
  });

  test("of this process belongs to no other group", async () => {
    const { pid } = await start(["sleep", "600"]);
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { inode } = await listeningOn((server.address() as { port: number }).port);
    expect(groupHoldsSocket(pid, inode)).toBe(false);
    expect(groupHoldsSocket(2 ** 30, inode)).toBe(false);
    server.close();
  });
});

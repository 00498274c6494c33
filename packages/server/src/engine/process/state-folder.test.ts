import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { eventually, makeProcessHarness, type ProcessHarness } from "./fixtures/harness.ts";

let harness: ProcessHarness;
let databasePath: string;

beforeEach(async () => {
  harness = await makeProcessHarness();
  databasePath = join(harness.stateDir, "spawner.db");
});

afterEach(async () => {
  await harness.dispose();
  expect(await harness.remains()).toEqual([]);
});

describe("a state folder", () => {
  test("is one engine's at a time: a second is told whose it is, and the first goes on", async () => {
    const first = await harness.open();
    const second = await makeProcessHarness({ stateDir: harness.stateDir });
    await expect(second.open()).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(
        new RegExp(`${harness.stateDir} is in use by another Spawner \\(process ${process.pid}\\).*--state-dir`),
      ),
    });
    await first.backends.create({ name: "b", spec: harness.spec("sleeps") });
    await harness.close();
    const engine = await second.open();
    expect(await engine.backends.get("b")).toBeDefined();
    await second.dispose();
    expect(await second.remains()).toEqual([]);
  });

  test("has files that nobody else reads, also where the folder lets others in, or a file once did", async () => {
    chmodSync(harness.stateDir, 0o755);
    for (let start = 1; start <= 2; start += 1) {
      await harness.open();
      const files = readdirSync(harness.stateDir).filter((name) => name.startsWith("spawner.db"));
      expect(files).toContain("spawner.db");
      for (const name of files) expect(statSync(join(harness.stateDir, name)).mode & 0o077, name).toBe(0);
      await harness.close();
      chmodSync(databasePath, 0o644);
    }
  });

  test("written by another release is refused and not touched", async () => {
    await harness.open();
    await harness.close();
    change(databasePath, "PRAGMA user_version = 7");
    await expect(harness.open()).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(/spawner\.db has schema version 7; this release needs 1\. Use the release that/),
    });
    const unchanged = new DatabaseSync(databasePath);
    expect(unchanged.prepare("PRAGMA user_version").get()).toEqual({ user_version: 7 });
    unchanged.close();
  });

  test.each<[string, (path: string) => void]>([
    ["that is no database", (path) => writeFileSync(path, "this is not a database ".repeat(500))],
    ["with damaged pages", (path) => writeFileSync(path, damaged(readFileSync(path), 4_096, 20_000))],
    ["with a damaged record", (path) => change(path, "UPDATE backends SET record = substr(record, 2)")],
    ["that was cut off", (path) => truncateSync(path, 3 * 4096)],
    ["that was emptied", (path) => truncateSync(path)],
    ["without its schema version", (path) => change(path, "PRAGMA user_version = 0")],
  ])("with a file %s is refused with what to do about it", async (_, harm) => {
    const engine = await harness.open();
    for (let i = 0; i < 50; i++) await engine.backends.create({ name: `b-${i}`, spec: harness.spec("sleeps") });
    await harness.close();
    harm(databasePath);
    await expectRefusal(harness);
  });

  test.each<[string, (log: string, path: string) => void]>([
    ["of which the log has a damaged header", (log) => writeFileSync(log, damaged(readFileSync(log), 8))],
    ["of which the log is damaged in the middle", (log) => writeFileSync(log, damaged(readFileSync(log), 80_000))],
    ["of which the log is gone", (log) => rmSync(log)],
    ["of which only the log is left", (_, path) => rmSync(path)],
    ["that was emptied, and has a log,", (_, path) => truncateSync(path)],
  ])("left by a kill, %s is refused and kept as it is", async (_, harm) => {
    const engine = await harness.open();
    for (let i = 0; i < 50; i++) await engine.backends.create({ name: `b-${i}`, spec: harness.spec("sleeps") });
    const left = await makeProcessHarness(); // what a kill would leave: the files as they are now
    for (const file of readdirSync(harness.stateDir)) {
      cpSync(join(harness.stateDir, file), join(left.stateDir, file), { recursive: true });
    }
    const path = join(left.stateDir, "spawner.db");
    harm(`${path}-wal`, path);
    await expectRefusal(left);
    await expectRefusal(left); // the first attempt has not made it look well
    expect(await left.remains()).toEqual([]);
  });

  test("in use is said to be, also where its log is seen in the midst of a write", async () => {
    const first = await harness.open();
    await first.backends.create({ name: "b", spec: harness.spec("sleeps") });
    const log = readFileSync(`${databasePath}-wal`);
    writeFileSync(`${databasePath}-wal`, damaged(Buffer.from(log), 8, 8));
    const second = await makeProcessHarness({ stateDir: harness.stateDir });
    await expect(second.open()).rejects.toMatchObject({ message: expect.stringContaining("is in use by another") });
    writeFileSync(`${databasePath}-wal`, log);
    expect((await (await harness.reopen()).backends.list()).items).toHaveLength(1);
  });

  test("begins anew when a damaged file was moved away", async () => {
    await harness.open();
    await harness.close();
    truncateSync(databasePath);
    await expectRefusal(harness);
    rmSync(databasePath);
    await harness.open();
    const { backends } = await harness.reopen();
    expect(await backends.list()).toEqual({ items: [] });
  });

  test("that cannot be made is named, with the cause", async () => {
    const blocker = join(harness.stateDir, "file");
    writeFileSync(blocker, "");
    await expect(async () => openDatabase(join(blocker, "state"))).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(/^Cannot open .*file\/state\/spawner\.db: ENOTDIR.*Is it writable\?$/),
    });
  });

  test("holds every backend whose creation was acknowledged, though its server was killed in the midst of it", async () => {
    const script = fileURLToPath(new URL("./fixtures/create-until-killed.ts", import.meta.url));
    const server = spawn(process.execPath, [script, harness.stateDir], { stdio: ["ignore", "pipe", "inherit"] });
    const acknowledged: string[] = [];
    for await (const line of createInterface(server.stdout)) {
      acknowledged.push(line);
      if (acknowledged.length === 300) server.kill("SIGKILL"); // goes on until the signal arrives
    }
    if (server.signalCode === null) await once(server, "exit");
    expect(server.signalCode).toBe("SIGKILL");
    const engine = await harness.open();
    const { items } = await engine.backends.list();
    const kept = new Set(items.map(({ metadata }) => `${metadata.name} ${metadata.uid}`));
    expect(acknowledged.filter((line) => !kept.has(line))).toEqual([]);
    // At most the one whose acknowledgement was cut off is there beside them.
    expect(items.length - acknowledged.length).toBeLessThanOrEqual(1);
    expect(new Set(items.map(({ metadata }) => metadata.resourceVersion)).size).toBe(items.length);
  });

  test("keeps the output of programs until their record is deleted", async () => {
    const engine = await harness.open();
    const backend = await harness.start("exits-3");
    await harness.until(backend, "ended");
    await engine.workloads.remove(backend.metadata, 0);
    await harness.until(backend, "absent");
    const { workloads, backends } = await harness.reopen();
    expect(await text(workloads.logs(backend.metadata))).toBe("last words\n");
    await backends.delete(backend.metadata);
    expect(await text(workloads.logs(backend.metadata))).toBe("");
  });
});

describe("an engine opened again", () => {
  const restart = async (whileClosed: () => void | Promise<void>) => {
    await harness.close();
    await whileClosed();
    return harness.open();
  };

  const onlyProcessOf = (backend: Parameters<ProcessHarness["processesOf"]>[0]) =>
    eventually(() => {
      const pids = harness.processesOf(backend);
      expect(pids).toHaveLength(1);
      return pids[0] ?? expect.unreachable();
    });

  test("takes over a program that lives, with its ports, and notices its end", async () => {
    await harness.open();
    const backend = await harness.start("serves");
    const pid = await onlyProcessOf(backend);
    await eventually(() => expect(harness.relayHostOf(backend).listened).toHaveLength(1));
    const before = harness.relayHostOf(backend);
    await restart(() => expect(before.closed).toBe(true));

    expect(await onlyProcessOf(backend)).toBe(pid);
    const after = harness.relayHostOf(backend);
    expect(after.options).toEqual({ ...before.options, port: before.port, adopted: true });
    expect(await harness.until(backend, "running")).toMatchObject({ address: { port: before.port } });
    await eventually(() => expect(after.listened).toEqual(before.listened));

    process.kill(pid, "SIGKILL");
    const { end } = await harness.until(backend, "ended");
    expect(end).toMatchObject({ reason: "Crashed", message: expect.stringContaining("unknown") });
    expect(after.ended).toBe(true);
  });

  test("gives a relay host another port where its old one was taken meanwhile", async () => {
    await harness.open();
    const backend = await harness.start("sleeps");
    const { port } = harness.relayHostOf(backend);
    const squatter = createServer();
    await restart(async () => {
      squatter.listen({ host: "127.0.0.1", port });
      await once(squatter, "listening");
    });
    const { address } = await harness.until(backend, "running");
    expect(address.port).toBe(harness.relayHostOf(backend).port);
    expect(address.port).not.toBe(port);
    squatter.close();
  });

  test("says that a program has ended that died meanwhile, and ends what it left", async () => {
    await harness.open();
    const backend = await harness.start("leaves-others-behind");
    const [, member = "", stray = ""] = await harness.written(backend, /member=(\d+) stray=(\d+)/);
    await eventually(() => expect(harness.processesOf(backend)).toHaveLength(3));
    const leader = harness.processesOf(backend).find((pid) => pid !== Number(member) && pid !== Number(stray));
    await restart(async () => {
      process.kill(leader ?? expect.unreachable(), "SIGKILL");
      await eventually(() => expect(harness.processesOf(backend)).toHaveLength(2));
    });
    const { end } = await harness.until(backend, "ended");
    expect(end).toMatchObject({ reason: "Crashed", message: expect.stringContaining("unknown") });
    expect(end.message).toContain(`member=${member}`);
    await eventually(() => expect(harness.processesOf(backend)).toEqual([]));
  });

  test("ends what may have been started without being recorded, and begins anew when asked", async () => {
    await harness.open();
    const backend = await harness.start("serves");
    const pid = await onlyProcessOf(backend);
    const engine = await restart(() => harness.forge(backend.metadata, ({ process: _, ...unstarted }) => unstarted));
    expect(await engine.workloads.observe(backend.metadata)).toMatchObject({ kind: "interrupted" });
    await eventually(() => expect(harness.processesOf(backend)).toEqual([]));
    await engine.workloads.ensure(backend);
    expect(await onlyProcessOf(backend)).not.toBe(pid);
  });

  test("begins nothing anew that is to be removed", async () => {
    await harness.open();
    const backend = await harness.start("serves");
    await onlyProcessOf(backend);
    const { workloads } = await restart(() => harness.forge(backend.metadata, ({ process: _, ...rest }) => rest));
    await workloads.remove(backend.metadata, 3_600);
    expect(await workloads.ensure(backend)).toEqual({ kind: "stopping" });
    await harness.until(backend, "absent");
    expect(harness.processesOf(backend)).toEqual([]);
  });

  test.each([
    ["when it is found to have ended for it", (pid: number) => process.kill(pid, "SIGKILL")],
    ["while it waits to listen", () => {}],
  ])("starts a program anew whose port a stranger has taken, %s", async (_, whileClosed) => {
    await harness.open();
    const backend = await harness.start("listens-when-told");
    const pid = await onlyProcessOf(backend);
    const { programPort } = harness.recordOf(backend) ?? expect.unreachable("it is recorded");
    const stranger = createServer();
    const engine = await restart(async () => {
      whileClosed(pid);
      stranger.listen({ host: "127.0.0.1", port: programPort });
      await once(stranger, "listening");
    });
    await eventually(async () => {
      await engine.workloads.ensure(backend);
      expect(harness.recordOf(backend)).toMatchObject({ moves: 1, process: {} });
    });
    expect(harness.recordOf(backend)?.programPort).not.toBe(programPort);
    expect(await onlyProcessOf(backend)).not.toBe(pid);
    stranger.close();
  });

  test("takes no other process for the program that had its pid before", async () => {
    await harness.open();
    const backend = await harness.start("sleeps");
    const pid = await onlyProcessOf(backend);
    const bystander = spawn("sleep", ["600"], { detached: true, stdio: "ignore" });
    await once(bystander, "spawn");
    const engine = await restart(async () => {
      process.kill(pid, "SIGKILL");
      await eventually(() => expect(harness.processesOf(backend)).toEqual([]));
      harness.forge(backend.metadata, (record) => ({
        ...record,
        process: { startedAt: "", bootId: "", ...record.process, pid: bystander.pid ?? 0, startTime: "1" },
      }));
    });
    expect((await harness.until(backend, "ended")).end).toMatchObject({ reason: "Crashed" });
    await engine.workloads.remove(backend.metadata, 0);
    await harness.until(backend, "absent");
    expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
    expect(readFileSync(`/proc/${bystander.pid}/stat`, "utf8")).toContain(" S ");
    bystander.kill("SIGKILL");
    await once(bystander, "exit");
  });

  test("does not take a program of an earlier boot for its own", async () => {
    await harness.open();
    const backend = await harness.start("sleeps");
    await restart(() =>
      harness.forge(backend.metadata, (record) => ({
        ...record,
        process: { pid: 0, startTime: "", startedAt: "", ...record.process, bootId: "another" },
      })),
    );
    expect((await harness.until(backend, "ended")).end.reason).toBe("Crashed");
  });

  test("remembers how a program ended, also one that never began", async () => {
    await harness.open();
    const failed = await harness.start("not-found");
    const crashed = await harness.start("exits-3");
    const ends = await Promise.all([failed, crashed].map((backend) => harness.until(backend, "ended")));
    await harness.reopen();
    expect(await Promise.all([failed, crashed].map((backend) => harness.until(backend, "ended")))).toEqual(ends);
    expect([failed, crashed].map((backend) => harness.relayHostOf(backend).ended)).toEqual([true, true]);
  });

  test("goes on with the end of a program that was told to end", async () => {
    const { workloads } = await harness.open();
    const backend = await harness.start("stubborn");
    await harness.written(backend, /listening/);
    await workloads.remove(backend.metadata, 3_600);
    await harness.written(backend, /asked to end/);
    const engine = await harness.reopen();
    expect(await engine.workloads.observe(backend.metadata)).toEqual({ kind: "stopping" });
    expect(harness.relayHostOf(backend)).toMatchObject({ ended: true, listened: [] });
    await engine.workloads.remove(backend.metadata, 0);
    await harness.until(backend, "absent");
  });

  test("asks a program to end that was to be asked when its server was killed", async () => {
    await harness.open();
    const backend = await harness.start("polite");
    await harness.written(backend, /listening/);
    const engine = await restart(() => harness.forge(backend.metadata, (record) => ({ ...record, stopping: true })));
    await engine.workloads.remove(backend.metadata, 3_600);
    await harness.until(backend, "absent");
    await harness.written(backend, /asked to end/);
  });
});

test("an engine that was closed says so when it is used, and does not start programs any more", async () => {
  const engine = await harness.open();
  const backend = await engine.backends.create({ name: "b", spec: harness.spec("sleeps") });
  const starting = engine.workloads.ensure(backend); // under way when the engine is closed: it is finished first
  await harness.close();
  expect(await starting).toMatchObject({ kind: "running" });
  await expect(engine.workloads.ensure(backend)).rejects.toMatchObject({ code: "unavailable" });
  await expect(engine.backends.create({ name: "c", spec: harness.spec("sleeps") })).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("cannot be written"),
  });
  await expect(engine.backends.delete(backend.metadata)).rejects.toMatchObject({ code: "unavailable" });
  await harness.open();
  await harness.until(backend, "running");
});

async function expectRefusal({ open }: ProcessHarness): Promise<void> {
  await expect(open()).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringMatching(
      /spawner\.db cannot be read: .*Move it and .*-wal away .*or use another --state-dir/s,
    ),
  });
}

/** A file of which some bytes are not what was written. */
function damaged(content: Buffer, offset: number, bytes = 1_000): Buffer {
  return content.fill(0xa5, offset, offset + bytes);
}

function change(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

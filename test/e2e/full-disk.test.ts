import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ConnectRequest, ConnectResponse, ErrorBody, SpawnResponse } from "@spawner/client";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { WebSocket } from "ws";
import { spawnerCommand } from "../support/dev.ts";
import { expectNothingRetained, type Served, startServed } from "../support/served.ts";

// Servers are started, and restarted, while other tests use the machine.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

/** Why there can be no small disk here; undefined where there can. */
const noSmallDisk =
  spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "spawner", "/mnt"]).status === 0
    ? undefined
    : "a file system of one's own needs Linux, unshare and mount of util-linux, and root";

const program = fileURLToPath(new URL("../support/program.mjs", import.meta.url));

/**
 * A state folder on a file system of a few megabytes, which is seen by what is started in it alone, and is gone with the
 * test and all that runs there.
 */
async function makeSmallDisk({ megabytes = 6 } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "spawner-full-disk-"));
  const stateDir = join(folder, "state");
  mkdirSync(stateDir);
  const script = `mount -t tmpfs -o size=${megabytes}m spawner "$0" && echo mounted && exec sleep 600`;
  const holder = spawn("unshare", ["-m", "sh", "-c", script, stateDir], { stdio: ["ignore", "pipe", "inherit"] });
  await once(holder.stdout, "data");
  const seenStateDir = `/proc/${holder.pid}/root${stateDir}`;
  const ballast = join(seenStateDir, "ballast");
  const wrapper = ["nsenter", "-t", String(holder.pid), "-m", "--"];
  const servers: Served[] = [];
  onTestFinished(async () => {
    for (const server of servers) await server.close("SIGKILL");
    servers.at(-1)?.killSessions();
    holder.kill("SIGKILL");
    await once(holder, "exit");
    rmSync(folder, { recursive: true });
  });
  return {
    stateDir,
    /** Leaves not a byte. */
    fill() {
      const file = openSync(ballast, "a");
      try {
        for (let bytes = 65_536; bytes >= 1; ) bytes = tryToWrite(file, bytes) ? bytes : Math.floor(bytes / 2);
      } finally {
        closeSync(file);
      }
      expect(statfsSync(seenStateDir).bavail).toBe(0);
    },
    free: () => rmSync(ballast),
    /** Starts a server that is expected to give up. */
    tryToServe() {
      const args = ["serve", "--port", "0", "--allow-anonymous", "--state-dir", join(stateDir, "new"), "--", "true"];
      const [enter = "", ...rest] = [...wrapper, ...spawnerCommand(args)];
      return spawnSync(enter, rest, { encoding: "utf8", timeout: 20_000 });
    },
    async serve(command: readonly string[], flags: readonly string[] = []): Promise<Served> {
      const server = await startServed({ stateDir, command, flags, wrapper });
      servers.push(server);
      return server;
    },
  };
}

function tryToWrite(file: number, bytes: number): boolean {
  try {
    return writeSync(file, Buffer.alloc(bytes)) > 0;
  } catch {
    return false; // ENOSPC
  }
}

/** A WebSocket that answers for as long as its session serves. */
async function talk(server: Served, id: string, query = "") {
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/${id}/${query}`);
  socket.on("error", () => {}); // the server is killed
  onTestFinished(() => socket.terminate());
  await once(socket, "open");
  return {
    async say(word: string): Promise<string> {
      const answer = once(socket, "message");
      socket.send(word);
      return String((await answer)[0]);
    },
  };
}

const pidOf = async (server: Served, id: string) =>
  ((await (await server.ask(`/${id}/echo`)).json()) as { pid: number }).pid;

/** Asks for a session: its id, or what was said instead. */
async function askForOne(server: Served): Promise<{ id: string } | { refusal: ErrorBody; status: number }> {
  const response = await server.askToSpawn();
  const body = await response.json();
  return response.ok ? { id: (body as SpawnResponse).name } : { refusal: body as ErrorBody, status: response.status };
}

/** Users of `connect`: for as long as nothing can be written, they go on and others come; what has to be written is refused within 2 s. */
async function letUsersIn(server: Served) {
  const post = (path: string, body: object) =>
    server.ask(`/api${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const connect = async (request: ConnectRequest) => {
    const response = await post("/connect", request);
    expect(response.status, await response.clone().text()).toBe(200);
    return (await response.json()) as ConnectResponse;
  };
  const statusFor = async ({ backend, token }: ConnectResponse) =>
    (await server.ask(`/${backend}/echo`, { headers: { authorization: `Bearer ${token}` } })).status;
  const ada = await connect({ key: "doc", user: "ada" });
  const socket = await talk(server, ada.backend, `?_spawner_token=${ada.token}`);
  const revoke = (user: string) => post(`/backend/${ada.backend}/revoke`, { user });
  return {
    async useMeanwhile() {
      expect(await socket.say("still there?")).toBe("still there?");
      expect(await statusFor(ada)).toBe(200);
      const bob = await connect({ key: "doc", user: "bob" });
      expect(bob).toMatchObject({ generation: ada.generation, spawned: false });
      expect(await statusFor(bob)).toBe(200);
      for (const ask of [() => post("/connect", { key: "other" }), () => post("/connect", {}), () => revoke("ada")]) {
        const beganMs = performance.now();
        expect((await ask()).status).toBe(503);
        expect(performance.now() - beganMs).toBeLessThan(2_000);
      }
    },
    /** Resolves to the sessions that are left. */
    async useAfterwards(): Promise<string[]> {
      expect(await statusFor(ada)).toBe(200);
      expect((await revoke("ada")).status).toBe(200);
      expect(await statusFor(ada)).toBe(401);
      const other = await connect({ key: "other" });
      expect(other).toMatchObject({ spawned: true });
      return [ada.backend, other.backend];
    },
  };
}

const why = noSmallDisk === undefined ? "" : ` (skipped: ${noSmallDisk})`;

describe(`a full disk${why}`, { skip: noSmallDisk !== undefined }, () => {
  test("ends no session and loses none that was acknowledged; all goes on when there is space", async () => {
    const disk = await makeSmallDisk();
    const first = await disk.serve([process.execPath, program]);
    const running = await first.spawn();
    const doomed = await first.spawn();
    const pid = await pidOf(first, running);
    const doomedPid = await pidOf(first, doomed);
    const socket = await talk(first, running);

    disk.fill();
    const answers = await Promise.all(Array.from({ length: 20 }, () => askForOne(first)));
    const acknowledged = answers.flatMap((answer) => ("id" in answer ? [answer.id] : []));
    for (const answer of answers) {
      if ("id" in answer) continue;
      expect(answer).toMatchObject({ status: 503, refusal: { code: "unavailable" } });
      expect(answer.refusal.message).toMatch(/disk/);
    }
    expect(acknowledged.length).toBeLessThan(answers.length);
    expect(await socket.say("still there?")).toBe("still there?");
    expect(await pidOf(first, running)).toBe(pid);
    process.kill(doomedPid, "SIGKILL");
    await vi.waitFor(async () => expect([410, 502]).toContain((await first.ask(`/${doomed}/echo`)).status), 20_000);

    await first.close("SIGKILL");
    const second = await disk.serve([process.execPath, program]);
    expect(await pidOf(second, running)).toBe(pid);
    for (const id of acknowledged) expect((await second.ask(`/api/backend/${id}`)).status).toBe(200);

    disk.free();
    const fresh = await vi.waitFor(() => second.spawn(), { timeout: 20_000, interval: 100 });
    expect((await second.ask(`/${fresh}/echo`)).status).toBe(200);
    for (const id of acknowledged) expect((await second.ask(`/${id}/echo`)).status).toBe(200);
    await vi.waitFor(async () => expect(await second.view(doomed)).toMatchObject({ state: "Failed" }), 20_000);
    expect(await pidOf(second, running)).toBe(pid);
  });

  test("needs no restart to go on: what happened meanwhile is recorded when there is space", async () => {
    const disk = await makeSmallDisk();
    const server = await disk.serve([process.execPath, program]);
    const ids = await Promise.all([server.spawn(), server.spawn(), server.spawn()]);
    const [running, doomed, unwanted] = ids;
    const [pid, doomedPid] = await Promise.all(ids.map((id) => pidOf(server, id)));
    const users = await letUsersIn(server);
    disk.fill();
    await vi.waitFor(async () => expect(await askForOne(server)).toMatchObject({ status: 503 }), 20_000);
    process.kill(doomedPid ?? expect.unreachable(), "SIGKILL");
    const refused = await server.ask(`/api/backend/${unwanted}`, { method: "DELETE" });
    expect(refused.status).toBe(503);
    expect(await pidOf(server, running)).toBe(pid);
    await users.useMeanwhile();

    disk.free();
    const left = await users.useAfterwards();
    expect((await server.history(doomed)).at(-1)).toMatchObject({
      reason: "Crashed",
      message: expect.stringMatching(/SIGKILL/),
    });
    expect((await server.ask(`/api/backend/${unwanted}`, { method: "DELETE" })).ok).toBe(true);
    expect((await server.history(unwanted)).at(-1)).toMatchObject({ reason: "Requested" });
    const fresh = await server.spawn();
    expect(await pidOf(server, fresh)).toBeGreaterThan(0);
    for (const id of [running, fresh, ...left]) await server.ask(`/api/backend/${id}`, { method: "DELETE" });
    await expectNothingRetained(server, (flags) => disk.serve([process.execPath, program], flags));
  });

  test("that a program fills with its output is emptied of it: others go on, and new ones can start", async () => {
    const disk = await makeSmallDisk({ megabytes: 3 }); // less than is kept of one program's output elsewhere
    const server = await disk.serve(["sh", "-c", 'eval "$FIRST"; exec "$0" "$1"', process.execPath, program]);
    const quiet = await server.spawn();
    const pid = await pidOf(server, quiet);
    const socket = await talk(server, quiet);
    const flooding = await server.spawn({ env: { FIRST: "yes | head -c 100000000" } });
    const floodingPid = await pidOf(server, flooding); // when all is written
    expect(await socket.say("still there?")).toBe("still there?");
    const fresh = await vi.waitFor(() => server.spawn(), { timeout: 20_000, interval: 100 });
    expect(await pidOf(server, fresh)).toBeGreaterThan(0);
    expect([await pidOf(server, quiet), await pidOf(server, flooding)]).toEqual([pid, floodingPid]);
  });

  test("keeps a server from starting in a new folder, and it says so", async () => {
    const disk = await makeSmallDisk();
    disk.fill();
    const { stderr, status } = disk.tryToServe();
    expect(status).toBe(1);
    expect(stderr).toMatch(/cannot be made: the disk is full\. Free some space on it, or use another --state-dir\./);
  });
});

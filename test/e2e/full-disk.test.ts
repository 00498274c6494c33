import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ErrorBody, SpawnResponse } from "@spawner/client";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { WebSocket } from "ws";
import { type Served, startServed } from "../support/served.ts";

/** Why there can be no small disk here; undefined where there can. */
const noSmallDisk =
  spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "spawner", "/mnt"]).status === 0
    ? undefined
    : "a file system of one's own needs Linux, unshare and mount of util-linux, and root";

const program = fileURLToPath(new URL("../support/program.mjs", import.meta.url));
const diskMB = 6;

/**
 * A state folder on a file system of a few megabytes, which is seen by what is started in it alone, and is gone with the
 * test and all that runs there.
 */
async function makeSmallDisk() {
  const folder = mkdtempSync(join(tmpdir(), "spawner-full-disk-"));
  const stateDir = join(folder, "state");
  mkdirSync(stateDir);
  const script = `mount -t tmpfs -o size=${diskMB}m spawner "$0" && echo mounted && exec sleep 600`;
  const holder = spawn("unshare", ["-m", "sh", "-c", script, stateDir], { stdio: ["ignore", "pipe", "inherit"] });
  await once(holder.stdout, "data");
  const seenStateDir = `/proc/${holder.pid}/root${stateDir}`;
  const ballast = join(seenStateDir, "ballast");
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
    async serve(command: readonly string[], flags: readonly string[] = []): Promise<Served> {
      const wrapper = ["nsenter", "-t", String(holder.pid), "-m", "--"];
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
async function talk(server: Served, id: string) {
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/${id}/`);
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

describe("a full disk", { skip: noSmallDisk !== undefined, timeout: 60_000 }, () => {
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
    await vi.waitFor(async () => expect([410, 502]).toContain((await first.ask(`/${doomed}/echo`)).status), 10_000);

    await first.close("SIGKILL");
    const second = await disk.serve([process.execPath, program]);
    expect(await pidOf(second, running)).toBe(pid);
    for (const id of acknowledged) expect((await second.ask(`/api/backend/${id}`)).status).toBe(200);

    disk.free();
    const fresh = await vi.waitFor(() => second.spawn(), { timeout: 10_000, interval: 100 });
    expect((await second.ask(`/${fresh}/echo`)).status).toBe(200);
    for (const id of acknowledged) expect((await second.ask(`/${id}/echo`)).status).toBe(200);
    await vi.waitFor(async () => expect(await second.view(doomed)).toMatchObject({ state: "Failed" }), 10_000);
    expect(await pidOf(second, running)).toBe(pid);
  });
});

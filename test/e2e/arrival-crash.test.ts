import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import type { BackendView } from "@spawner/client";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { isAlive } from "../../packages/server/src/lib/linux-processes.ts";
import { runCommand, runSpawner, spawnerCommand, temporaryFolder } from "../support/dev.ts";
import { eventually } from "../support/embedded.ts";
import { spawnSession } from "../support/spawn-session.ts";

const program = fileURLToPath(new URL("../support/program.mjs", import.meta.url));
const dieAtSwept = fileURLToPath(new URL("../support/die-at-swept.mjs", import.meta.url));

/** `spawner serve`, which is killed as it records the sweep of a backend, if a moment is given. */
async function startServe(stateDir: string, moment?: "before" | "after") {
  const [node = "", ...args] = spawnerCommand(["serve", "--port", "0", "--state-dir", stateDir, "--allow-anonymous"]);
  const preload = moment === undefined ? [] : ["--import", dieAtSwept];
  const command = [node, ...preload, ...args, "--", process.execPath, program];
  const server = runCommand(command, moment === undefined ? {} : { DIE_AT_SWEPT: moment });
  onTestFinished(async () => {
    server.child.kill("SIGKILL");
    await server.exited;
  });
  const [, url = ""] = await server.output.waitFor(/"url":"(http:[^"]+)".*"serving"/);
  return { ...server, url };
}

/** A server that dies as it sweeps its only backend, and the one that comes after it. */
async function restartAtSwept(moment: "before" | "after") {
  const stateDir = temporaryFolder();
  const first = await startServe(stateDir, moment);
  const { name: id } = await spawnSession(first.url, { gracePeriodSeconds: 1, firstClientSeconds: 0 });
  const { pid } = (await (await fetch(`${first.url}/${id}/echo`)).json()) as { pid: number };
  onTestFinished(() => void (isAlive(pid) && process.kill(pid, "SIGKILL")));
  await first.exited;
  expect(first.child.signalCode).toBe("SIGKILL");
  expect(isAlive(pid)).toBe(true);
  const second = await startServe(stateDir);
  const view = async () => (await (await fetch(`${second.url}/api/backend/${id}`)).json()) as BackendView;
  return { url: `${second.url}/${id}/`, pid, view };
}

test("a server that is killed between the seal and Swept leaves a backend that serves its user", async () => {
  const { url, pid, view } = await restartAtSwept("before");
  expect(await (await fetch(`${url}echo`)).json()).toMatchObject({ pid });
  expect(await view()).toMatchObject({ state: "Ready" });
  await eventually("it is swept when its user has left", async () => (await view()).state === "Swept");
  await eventually("its process is gone", () => !isAlive(pid));
});

test("a server that is killed as soon as Swept is written leaves a backend that is over, and says why", async () => {
  const { url, pid, view } = await restartAtSwept("after");
  expect(await view()).toMatchObject({ state: "Swept", reason: "Idle" });
  const answer = await fetch(url);
  expect(answer.status).toBe(410);
  expect(await answer.json()).toMatchObject({ message: expect.stringContaining("(Idle): Nobody was connected") });
  await eventually("its process is gone", () => !isAlive(pid));
});

/** `spawner sidecar` before a program. */
async function startSidecar() {
  const server = createServer((_, response) => response.end("hello"));
  server.on("upgrade", (_, socket) => {
    socket.end("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as { port: number };
  const sidecar = runSpawner([
    ...["sidecar", "--host", "127.0.0.1", "--serve-port", "0", "--control-port", "0"],
    ...["--upstream-port", String(port), "--grace-period", "0", "--first-client", "0"],
  ]);
  const [, servePort, controlPort] = await sidecar.output.waitFor(/port (\d+), control on port (\d+)/);
  const control = (path: string, body: object) =>
    fetch(`http://127.0.0.1:${controlPort}${path}`, { method: "POST", body: JSON.stringify(body) });
  const seal = (leaseSeconds: number) =>
    eventually("it is sealed", async () => (await control("/seal", { leaseSeconds })).ok);
  /** The first event of its stream. */
  const state = async () => {
    const stop = new AbortController();
    const { body } = await fetch(`http://127.0.0.1:${controlPort}/_events`, { signal: stop.signal });
    const { value } = (await body?.getReader().read()) ?? {};
    stop.abort();
    return new TextDecoder().decode(value);
  };
  return { ...sidecar, url: `http://127.0.0.1:${servePort}/`, control, seal, state };
}

/** The status of an upgrade's answer. */
function upgradeStatus(url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url.replace("http", "ws"));
    socket.on("upgrade", ({ statusCode }) => resolve(statusCode));
    socket.on("unexpected-response", (_, { statusCode }) => resolve(statusCode));
    socket.on("error", reject);
  });
}

test("a sweeper that dies after it has sealed a sidecar leaves one that serves who came meanwhile", async () => {
  const { url, control, seal } = await startSidecar();
  await seal(1); // by a sweeper that is heard of no more
  const sealedAtMs = performance.now();
  expect((await control("/hold", { seconds: 1 })).status).toBe(409);
  const [get, post, upgrade] = await Promise.all([
    fetch(url),
    fetch(url, { method: "POST", body: "a body" }),
    upgradeStatus(url),
  ]);
  expect(performance.now() - sealedAtMs).toBeGreaterThan(500);
  expect([get.status, post.status, upgrade]).toEqual([200, 200, 101]);
  expect((await control("/hold", { seconds: 1 })).status).toBe(200);
});

test("a sidecar that ends tells those who wait behind its seal so", async () => {
  const { url, child, exited, seal, state } = await startSidecar();
  await seal(60);
  const waiting = [fetch(url), fetch(url, { method: "POST", body: "a body" })];
  await eventually("both wait", async () => (await state()).includes('"live_connections": 2'));
  child.kill("SIGTERM");
  for (const answer of await Promise.all(waiting)) {
    expect(answer.status).toBe(410);
    expect(await answer.json()).toMatchObject({ code: "backend_ended" });
  }
  expect(await exited).toBe(0);
});

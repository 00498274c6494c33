import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EndReason, ErrorBody } from "@spawner/client";
import { expect, onTestFinished, vi } from "vitest";
import type { RelayHost } from "../core/relay-host.ts";
import type { Backend } from "../core/resource.ts";
import { makeSigningKey, type SigningKey } from "../core/signing-keys.ts";
import type { LivingState } from "../core/states.ts";
import { endedPatch, reachedPatch, type StatusPatch } from "../core/status.ts";
import type { BackendStore, WorkloadRuntime } from "../engine/engine.ts";
import { ProcessEngine } from "../engine/process/index.ts";
import { systemClock } from "../lib/clock.ts";
import { type Log, silentLog } from "../lib/log.ts";
import { Metrics } from "../lib/metrics.ts";
import { type ApiConfig, run } from "./server.ts";
import { commandSpec } from "./template-file.ts";

export interface TestApiOptions extends Partial<ApiConfig> {
  /** The engine's own limit. */
  backendsMax?: number;
  /** The API's. */
  apiBackendsMax?: number;
  log?: Log;
  /** In the place of the engine's: nothing is started here, so that nothing is written. */
  logs?: WorkloadRuntime["logs"];
  /** In the place of the engine's. */
  store?: Partial<BackendStore>;
  /** Relay hosts by the names of backends, in the place of the engine's: it has none. */
  relayHosts?: Map<string, RelayHost>;
  signingKeys?: readonly SigningKey[];
}

const sleeps = commandSpec("default", { command: ["sleep", "60"], workingDir: "/" });

/** The API over a real engine of which only the records are used: the test says what becomes of them. */
export async function startApi(options: TestApiOptions = {}) {
  const {
    backendsMax = 1_000,
    apiBackendsMax,
    log = silentLog,
    logs,
    store = {},
    relayHosts = new Map(),
    signingKeys,
    ...overrides
  } = options;
  const stateDir = mkdtempSync(join(tmpdir(), "spawner-api-"));
  const engine = await ProcessEngine.open({
    stateDir,
    backendsMax,
    openRelayHost: () => Promise.reject(new Error("nothing is started here")),
    clock: systemClock,
  });
  if (logs !== undefined) engine.workloads.logs = logs;
  Object.assign(engine.backends, store);
  engine.relayHost = ({ metadata }) => relayHosts.get(metadata.name);
  const keys = signingKeys ?? [makeSigningKey(new Date())];
  const api = await run(
    {
      host: "127.0.0.1",
      port: 0,
      servicePrefix: "spawner-",
      apiServerBase: "http://api.example",
      urlTemplate: "http://gw.example/p/{}/",
      auth: { kind: "anonymous" },
      templates: { find: (name) => (name === "default" ? { spec: sleeps } : undefined), names: () => ["default"] },
      imageNamesTemplate: true,
      ...(apiBackendsMax === undefined ? {} : { backendsMax: apiBackendsMax }),
      ...overrides,
    },
    { engine, clock: systemClock, log, metrics: new Metrics(), signingKeys: () => keys },
  );
  onTestFinished(async () => {
    await api.close();
    await engine.close();
    rmSync(stateDir, { recursive: true, force: true });
  });

  const url = `http://127.0.0.1:${api.port}`;
  const patch = async (id: string, build: (backend: Backend) => StatusPatch | undefined) => {
    const backend = await engine.backends.get(`spawner-${id}`);
    if (backend === undefined) throw new Error(`no backend ${id}`);
    await engine.backends.patchStatus(backend.metadata, build(backend) ?? {});
  };
  return {
    ...api,
    engine,
    url,
    /** POST with a body as JSON. */
    send: (path: string, body: object) =>
      fetch(`${url}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      }),
    /** POST /spawn with any body. */
    post: (body: string, headers: Record<string, string> = { "content-type": "application/json" }) =>
      fetch(`${url}/spawn`, { method: "POST", headers, body }),
    reach: (id: string, ...states: LivingState[]) =>
      patch(id, (backend) => reachedPatch(backend, Object.fromEntries(states.map((state) => [state, new Date()])))),
    end: (id: string, reason: EndReason) =>
      patch(id, (backend) => endedPatch(backend, { reason, message: `because of ${reason}`, at: new Date() })),
    /** Removes the record, whatever runs. */
    forget: async (id: string) => {
      const backend = await engine.backends.get(`spawner-${id}`);
      if (backend !== undefined) await engine.backends.delete(backend.metadata);
    },
    /** Sends bytes as they are, and reads until the server ends the connection. */
    raw: (text: string | Buffer) =>
      new Promise<string>((resolve, reject) => {
        const socket = connect({ host: "127.0.0.1", port: api.port });
        let answer = "";
        socket.setTimeout(20_000, () => reject(new Error(`no answer in time, but ${answer}`)));
        socket.on("data", (bytes) => {
          answer += bytes;
        });
        socket.on("error", reject).on("close", () => resolve(answer));
        socket.write(text);
      }),
  };
}

export function errorIn(answer: string): ErrorBody & { status: number } {
  const body = JSON.parse(answer.slice(answer.indexOf("\r\n\r\n") + 4)) as ErrorBody;
  return { ...body, status: Number(answer.split(" ")[1]) };
}

/** A connection of one's own, closed with the test. */
export function converse(port: number) {
  const socket = connect({ host: "127.0.0.1", port });
  onTestFinished(() => void socket.destroy());
  let received = "";
  socket.on("data", (bytes) => {
    received += bytes;
  });
  socket.on("error", () => {});
  const closed = new Promise<string>((resolve) => socket.once("close", () => resolve(received)));
  return {
    socket,
    write: (text: string) => void socket.write(text),
    /** Resolves when this much was received. */
    async until(pattern: RegExp): Promise<void> {
      await vi.waitFor(() => expect(received).toMatch(pattern), { timeout: 10_000, interval: 5 });
    },
    /** Resolves to all that was received, when the server has closed. */
    closed,
  };
}

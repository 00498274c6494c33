import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BackendView, SpawnRequest, StatusMessage } from "@spawner/client";
import { onTestFinished } from "vitest";
import { identityOf } from "../../packages/server/src/core/workload.ts";
import { type Embedded, type EmbeddedConfig, run } from "../../packages/server/src/embedded/index.ts";
import { systemClock } from "../../packages/server/src/lib/clock.ts";
import { processesWithEnv } from "../../packages/server/src/lib/linux-processes.ts";
import { silentLog } from "../../packages/server/src/lib/log.ts";
import { spawnSession } from "./spawn-session.ts";

const program = fileURLToPath(new URL("program.mjs", import.meta.url));

/** A whole Spawner in this process, over real child processes, gone with the test. */
export async function startEmbedded(overrides: Partial<EmbeddedConfig> = {}) {
  const stateDir = mkdtempSync(join(tmpdir(), "spawner-e2e-"));
  const embedded = await run(
    {
      host: "127.0.0.1",
      port: 0,
      stateDir,
      template: { command: [process.execPath, program], cwd: process.cwd() },
      gracePeriodSeconds: 1,
      allowedHosts: ["127.0.0.1", "localhost"],
      allowAnonymous: overrides.tokensFile === undefined,
      backendsMax: 50,
      parkedMax: 100,
      retainSeconds: 3600,
      recordsMax: 100,
      ...overrides,
    },
    { clock: systemClock, log: silentLog },
  );
  onTestFinished(async () => {
    await embedded.drain({ graceSecondsMax: 0 });
    await embedded.close();
    rmSync(stateDir, { recursive: true, force: true });
  });
  return { ...embedded, stateDir, ...makeCalls(embedded) };
}

export type TestSpawner = Awaited<ReturnType<typeof startEmbedded>>;

function makeCalls({ url: base, engine }: Embedded) {
  const api = async <Answer>(path: string, init?: RequestInit): Promise<Answer> => {
    const response = await fetch(`${base}/api${path}`, init);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Answer;
  };
  return {
    spawn: (request?: SpawnRequest) => spawnSession(base, request),
    backend: (id: string) => api<BackendView>(`/backend/${id}`),
    stop: (id: string) => api<BackendView>(`/backend/${id}`, { method: "DELETE" }),
    /** Follows the status stream until the state is reached. */
    async until(id: string, state: StatusMessage["state"]): Promise<StatusMessage> {
      const response = await fetch(`${base}/api/backend/${id}/status/stream`, { signal: AbortSignal.timeout(20_000) });
      if (response.body === null) throw new Error(`no stream: ${response.status}`);
      let text = "";
      for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
        text += part;
        const messages = [...text.matchAll(/^data: (.*)$/gm)].map(
          ([, json]) => JSON.parse(json ?? "") as StatusMessage,
        );
        const found = messages.find((message) => message.state === state);
        if (found !== undefined) return found;
      }
      throw new Error(`${id} never was ${state}:\n${text}`);
    },
    /** Pids of every process that was started for the backend. */
    async processesOf(id: string): Promise<number[]> {
      const backend = await engine.backends.get(`spawner-${id}`);
      return backend === undefined ? [] : processesWithEnv("SPAWNER_BACKEND", identityOf(backend));
    },
  };
}

/** Resolves when `condition` holds; rejects with `what` when it does not within `withinMs`. */
export async function eventually(what: string, condition: () => boolean | Promise<boolean>, withinMs = 5_000) {
  const deadline = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

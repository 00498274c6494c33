import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BackendList, BackendView } from "@spawner/client";
import { processesWithEnv } from "../../../packages/server/src/lib/linux-processes.ts";
import { spawnSession } from "../spawn-session.ts";
import { type Answers, type EndState, readEndState } from "./end-state.ts";
import type { Life, ProgramNote } from "./life.ts";
import { type CrashingServer, lifeVariable, startCrashingServer } from "./server.ts";
import { type CrashPoint, readTrace, type TraceLine } from "./trace.ts";

export interface LivedLife {
  readonly endState: EndState;
  /** What each server did, in their order. */
  readonly traces: readonly (readonly TraceLine[])[];
  /** How many of the crashes happened. */
  readonly crashes: number;
}

/** A life that is not over by then is stuck. */
const lifeMsMax = 60_000;
const lookEveryMs = 20;

/** Lives a life on a state folder of its own; the first server dies at the first crash point, the second at the second … */
export async function live(life: Life, crashPoints: readonly CrashPoint[] = []): Promise<LivedLife> {
  const folder = mkdtempSync(join(tmpdir(), "spawner-crash-"));
  const others = new AbortController();
  const traces: string[] = [];
  let crashes = 0;
  try {
    for (;;) {
      const crashAt = crashPoints[traces.length];
      const trace = join(folder, `trace-${traces.length}`);
      traces.push(trace);
      const command = life.command(folder);
      const server = startCrashingServer({
        folder,
        trace,
        args: life.args ?? [],
        command,
        ...(crashAt ? { crashAt } : {}),
      });
      try {
        const answers = await liveWith(server, { life, folder, traces, signal: others.signal });
        if (server.ending === undefined) await server.stop();
        if (server.ending === "killed" && crashAt !== undefined) crashes += 1;
        else if (answers === undefined || server.ending === "killed")
          throw new Error(`the server ended, and not by us:\n${server.log}`);
        else {
          others.abort();
          const evidence = { folder, programs: readNotes(folder), traces: traces.map(readTrace), answers };
          return { endState: readEndState(life, evidence), traces: evidence.traces, crashes };
        }
      } finally {
        await server.kill();
      }
    }
  } finally {
    others.abort();
    processesWithEnv(lifeVariable, folder).forEach(kill);
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Surroundings {
  readonly life: Life;
  readonly folder: string;
  readonly traces: readonly string[];
  readonly signal: AbortSignal;
}

/** Goes on with the life until it is over, and gives what a client is told then; undefined when the server was killed first. */
async function liveWith(server: CrashingServer, around: Surroundings): Promise<Answers | undefined> {
  const url = await server.served;
  if (url === undefined) {
    await server.ended;
    return undefined;
  }
  const connections = new AbortController();
  const client = { url, signal: connections.signal, wasReady: false };
  const untilMs = performance.now() + lifeMsMax;
  try {
    while (server.ending === undefined) {
      const answers = await step(client, around).catch((error) => giveWay(server, error));
      if (answers !== undefined) return answers;
      if (performance.now() > untilMs) throw new Error(`the life is stuck: ${await describe(around)}\n${server.log}`);
      await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
    }
    return undefined;
  } finally {
    connections.abort();
  }
}

/** A request fails when the server dies: then there is another one. Any other failure is one. */
async function giveWay(server: CrashingServer, error: unknown): Promise<undefined> {
  const { promise: late, resolve } = Promise.withResolvers<"late">();
  const timer = setTimeout(resolve, 2_000, "late");
  const outcome = await Promise.race([server.ended, late]);
  clearTimeout(timer);
  if (outcome === "late") throw error;
}

interface Client {
  readonly url: string;
  readonly signal: AbortSignal;
  wasReady: boolean;
}

/** Looks at what is, and does what a client does next. Resolves to what it is told when all is over. */
async function step(client: Client, { life, folder, traces, signal }: Surroundings): Promise<Answers | undefined> {
  const programs = readNotes(folder);
  await life.meanwhile?.({ folder, programs, signal });
  const { backends } = await ask<BackendList>(`${client.url}/api/backends`);
  const stored = traces.flatMap(readTrace);
  const known = stored.findLast((line) => line.kind === "backend stored");
  if (known === undefined || known.kind !== "backend stored") {
    await spawnSession(client.url, life.request);
    return undefined;
  }
  const [backend] = backends;
  if (backend?.state === "Ready" && !client.wasReady) {
    client.wasReady = true;
    const stopUrl = `${client.url}/api/backend/${backend.name}`;
    await life.whenReady?.({ url: `${client.url}/${backend.name}`, stopUrl, signal: client.signal });
  }
  const isOver = life.isForgotten ? backend === undefined : backend !== undefined && hasEnded(backend);
  const workload = stored.findLast(({ kind }) => kind === "workload stored" || kind === "workload removed");
  if (!isOver || workload?.kind !== "workload removed" || programsOf(folder).length > 0) return undefined;
  const id = known.backend.metadata.name.replace("spawner-", "");
  return {
    ofGateway: await tellFrom(`${client.url}/${id}/`),
    ofApi: await tellFrom(`${client.url}/api/backend/${id}/status`),
    count: backends.length,
  };
}

function hasEnded({ state }: BackendView): boolean {
  return state === "Swept" || state === "Failed";
}

async function ask<Answer>(url: string): Promise<Answer> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Answer;
}

async function tellFrom(url: string) {
  const response = await fetch(url);
  const { state, reason, code } = (await response.json()) as Record<string, string>;
  return { status: response.status, state, reason, code };
}

/** The programs of a life that run, without the server, which has the variable too. */
function programsOf(folder: string): number[] {
  return processesWithEnv(lifeVariable, folder).filter((pid) => !isServer(pid));
}

function isServer(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("crash-at.ts");
  } catch {
    return false; // gone
  }
}

function readNotes(folder: string): ProgramNote[] {
  try {
    const lines = readFileSync(join(folder, "programs"), "utf8").split("\n");
    return lines.filter(Boolean).map((line) => JSON.parse(line) as ProgramNote);
  } catch {
    return []; // none has started yet
  }
}

async function describe({ folder, traces }: Surroundings): Promise<string> {
  const stored = traces.flatMap(readTrace).filter(({ kind }) => kind !== "action");
  return JSON.stringify({ programs: programsOf(folder), lastStored: stored.slice(-3) });
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // gone in between
  }
}

import { readFileSync } from "node:fs";
import type { BackendState } from "@spawner/client";
import type { Backend, BackendSpec } from "../../../packages/server/src/core/resource.ts";
import { stateOf } from "../../../packages/server/src/core/status.ts";
import { isKubeError, type KubeClient } from "../../../packages/server/src/engine/kubernetes/index.ts";
import { eventually } from "./eventually.ts";
import { runInPod } from "./programs.ts";

/** Without a handler a signal does nothing to a container's first process: these programs go when they are asked to. */
const goesWhenAsked = 'process.on("SIGTERM", () => process.exit(0));\n';

const programs = {
  echoes: goesWhenAsked + readFileSync(new URL("echo-program.mjs", import.meta.url), "utf8"),
  // To one stream: in which order the lines of two reach a node's log is left to chance.
  fails: 'console.error("begun"); console.error("no such table: players"); process.exit(3);',
  "ignores what it is asked": 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1e6);',
} as const;

export type SessionProgram = keyof typeof programs;

/** A backend that runs one of these programs in the image of the roles, which the nodes have. */
export function sessionSpec(program: SessionProgram, rest: Partial<BackendSpec> = {}): BackendSpec {
  const command = ["node", "--input-type=module", "--eval", programs[program]];
  return { ...runInPod(command), terminationGracePeriodSeconds: 5, ...rest };
}

const collection = ({ namespace }: KubeClient) => `/apis/spawner.dev/v1/namespaces/${namespace}/sessionlivedbackends`;

export function createSession(client: KubeClient, name: string, spec: BackendSpec): Promise<Backend> {
  const body = { apiVersion: "spawner.dev/v1", kind: "SessionLivedBackend", metadata: { name }, spec };
  return client.json({ method: "POST", path: collection(client), body });
}

/** The record; undefined where there is none. */
export async function readSession(client: KubeClient, name: string): Promise<Backend | undefined> {
  try {
    const found = await client.json<Backend>({ method: "GET", path: `${collection(client)}/${name}` });
    return { ...found, status: found.status ?? {} };
  } catch (error) {
    if (isKubeError(error, "NotFound")) return undefined;
    throw error;
  }
}

export async function requestStop(client: KubeClient, name: string): Promise<void> {
  const body = { spec: { stopRequested: true } };
  await client.json({ method: "PATCH", path: `${collection(client)}/${name}`, body });
}

/** Resolves when it has reached a state; rejects at once where it has ended as something else, and when time is over. */
export async function untilState(
  client: KubeClient,
  name: string,
  { state, withinMs = 40_000 }: { state: BackendState; withinMs?: number },
): Promise<Backend> {
  const found = await eventually(async () => {
    const backend = await readSession(client, name);
    if (backend === undefined) throw new Error(`there is no ${name}`);
    const now = stateOf(backend);
    if (now !== state && now !== "Swept" && now !== "Failed") throw new Error(`${name} is ${now}, not ${state} yet`);
    return backend;
  }, withinMs);
  const { reason, message } = found.status;
  if (stateOf(found) !== state) throw new Error(`${name} is ${stateOf(found)} (${reason}: ${message}), not ${state}`);
  return found;
}

/** Names of the namespace's Pods. */
export async function podsOf(client: KubeClient): Promise<string[]> {
  const path = `/api/v1/namespaces/${client.namespace}/pods`;
  const { items } = await client.json<{ items: { metadata: { name: string } }[] }>({ method: "GET", path });
  return items.map(({ metadata }) => metadata.name);
}

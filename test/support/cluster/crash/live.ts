import { randomUUID } from "node:crypto";
import { hasEnded, stateOf } from "../../../../packages/server/src/core/status.ts";
import { isKubeError, type KubeClient } from "../../../../packages/server/src/engine/kubernetes/index.ts";
import type { ApiWrite, WriteEffect } from "../api-proxy.ts";
import { eventually } from "../eventually.ts";
import { createSession, podsOf, readSession } from "../session.ts";
import { type EndState, faultsOf, readEndState } from "./end-state.ts";
import type { Life } from "./lives.ts";
import { Recorder } from "./recorder.ts";
import { type DisturbWatches, ReplacedRole, type RoleKind, roleKinds, type StartRole } from "./replaced-role.ts";

/** What is done to a role at one of its writes. Where it is killed, another one takes its place at once. */
export type Disturbance =
  | { readonly kind: "killed" | "cut"; readonly moment: "before" | "after" }
  | { readonly kind: "conflict" | "internal error" }
  /** Another one has taken its place when its write arrives: when the backend is ready, or when all is over. */
  | { readonly kind: "late"; readonly until: "ready" | "over" };

export interface DisturbedWrite {
  readonly role: RoleKind;
  readonly number: number;
  readonly how: Disturbance;
}

export interface LivedLife {
  readonly endState: EndState;
  readonly faults: readonly string[];
  readonly podsMade: number;
  /** What each role asked to have written, over all of its processes. */
  readonly writes: Readonly<Record<RoleKind, readonly ApiWrite[]>>;
  readonly wasDisturbed: boolean;
}

/** A life that is not over by then is stuck. */
const lifeMsMax = 60_000;
const lookEveryMs = 50;

export interface LiveOptions {
  readonly client: KubeClient;
  readonly start: StartRole;
  readonly at?: DisturbedWrite;
  readonly disturbWatches?: DisturbWatches;
  /** Which roles run, several of a kind if need be. Default: one of each. */
  readonly kinds?: readonly RoleKind[];
}

/** Lives a life in the client's namespace, where no other role runs. */
export async function live(
  life: Life,
  { client, start, at, disturbWatches, kinds = roleKinds }: LiveOptions,
): Promise<LivedLife> {
  const name = `life-${randomUUID().slice(0, 8)}`;
  const recorder = await Recorder.open(client, name);
  await forgetKeys(client);
  const reached = { ready: Promise.withResolvers<void>(), over: Promise.withResolvers<void>() };
  let disturbedWrite: ApiWrite | undefined;
  const disturb = (role: ReplacedRole) => async (write: ApiWrite) => {
    if (disturbedWrite !== undefined || role.kind !== at?.role || write.number !== at.number) return undefined;
    // That an Event is there already is believed: it would be missed by people only.
    if (at.how.kind === "conflict" && write.path.endsWith("/events")) return undefined;
    disturbedWrite = write;
    return disturbed(role, write, { how: at.how, reached });
  };
  const place = { namespace: client.namespace, retainSeconds: life.retainSeconds };
  const roles = await Promise.all(
    kinds.map((kind) => ReplacedRole.start({ kind, start, place, disturb, disturbWatches })),
  );
  try {
    await createSession(client, name, life.spec);
    await untilOver(life, { client, recorder, onReady: () => reached.ready.resolve() });
    reached.ready.resolve();
    reached.over.resolve();
    if (at?.how.kind === "late" && disturbedWrite !== undefined)
      await untilSettled(disturbedWrite, { client, name, recorder });
    const writesOf = (kind: RoleKind) => roles.filter((role) => role.kind === kind).flatMap((role) => role.writes);
    const writes = { controller: writesOf("controller"), sweeper: writesOf("sweeper") };
    const endState = await readEndState(recorder);
    return {
      endState,
      faults: faultsOf(recorder),
      podsMade: recorder.pods.size,
      writes,
      wasDisturbed: disturbedWrite !== undefined,
    };
  } finally {
    await Promise.all(roles.map((role) => role.close()));
    recorder.close();
    await removeRecord(client, name);
  }
}

interface Disturbing {
  readonly how: Disturbance;
  readonly reached: Readonly<Record<"ready" | "over", { readonly promise: Promise<void> }>>;
}

async function disturbed(role: ReplacedRole, { method }: ApiWrite, { how, reached }: Disturbing): Promise<WriteEffect> {
  switch (how.kind) {
    case "killed":
      await role.replace();
      return { kind: "cut", moment: how.moment };
    case "cut":
      return { kind: "cut", moment: how.moment };
    case "conflict":
      return { kind: "answer", status: 409, reason: method === "POST" ? "AlreadyExists" : "Conflict" };
    case "internal error":
      return { kind: "answer", status: 500, reason: "InternalError" };
    case "late":
      await role.replace();
      return { kind: "delay", until: reached[how.until].promise };
    default:
      return how satisfies never;
  }
}

interface Following {
  readonly client: KubeClient;
  readonly recorder: Recorder;
  readonly onReady: () => void;
}

/** Does what a client does, and waits until nothing more is to happen. */
async function untilOver(life: Life, { client, recorder, onReady }: Following): Promise<void> {
  const untilMs = performance.now() + lifeMsMax;
  let wasReady = false;
  for (;;) {
    const backend = recorder.last;
    if (backend !== undefined && stateOf(backend) === "Ready" && !wasReady) {
      wasReady = true;
      onReady();
      await life.whenReady({ client, backend });
    }
    const isForgotten = life.retainSeconds > 60 || recorder.isForgotten;
    if (backend !== undefined && hasEnded(backend) && isForgotten && !recorder.hasPods) return;
    if (performance.now() > untilMs) {
      throw new Error(`the life is stuck: ${JSON.stringify({ status: backend?.status, pods: [...recorder.pods] })}`);
    }
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}

/** What a late write did is known to all, and dealt with. */
async function untilSettled(
  write: ApiWrite,
  { client, name, recorder }: { client: KubeClient; name: string; recorder: Recorder },
): Promise<void> {
  await eventually(async () => {
    if (write.status === undefined) throw new Error("the late write has not been answered");
    const stored = await readSession(client, name);
    const known = recorder.isForgotten ? undefined : recorder.last;
    if (stored?.metadata.resourceVersion !== known?.metadata.resourceVersion) throw new Error("the record is another");
    const pods = await podsOf(client);
    if (pods.length > 0 || recorder.hasPods) throw new Error(`there are Pods: ${pods}`);
  });
}

/** So that the Secret is made in each life. */
async function forgetKeys(client: KubeClient): Promise<void> {
  const path = `/api/v1/namespaces/${client.namespace}/secrets/spawner-keys`;
  await client.json({ method: "DELETE", path }).catch((error: unknown) => {
    if (!isKubeError(error, "NotFound")) throw error;
  });
}

async function removeRecord(client: KubeClient, name: string): Promise<void> {
  if ((await readSession(client, name)) === undefined) return;
  const path = `/apis/spawner.dev/v1/namespaces/${client.namespace}/sessionlivedbackends/${name}`;
  await client.json({ method: "DELETE", path });
}

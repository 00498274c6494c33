import { SpawnerClient } from "@spawner/client";
import type { Pod } from "../../packages/server/src/engine/kubernetes/pod-object.ts";
import { conditionOf } from "../../packages/server/src/engine/kubernetes/pod-view.ts";
import { untilAccepted, untilAnswered } from "./answers.ts";
import type { AuditLog } from "./audit-log.ts";
import { type Contender, end, type Start, start } from "./contenders.ts";
import { type Stage, waitMsMax } from "./stage.ts";

/** The steps of a start, in their order. */
export const steps = [
  "written",
  "seen",
  "Pod made",
  "scheduled",
  "address known",
  "sidecar serving",
  "application listening",
  "known ready",
  "first answer",
] as const;
export type Step = (typeof steps)[number];

/** When each step was done, in ms since the start was asked for; those that the contender has and that can be seen. */
export type StartTimes = Partial<Record<Step, number>>;

/** Between two attempts at a connection: nobody accepts or refuses one sooner than it takes to ask. */
const askEveryMs = 2;

/** Starts one session, sees each of its steps, ends it, and waits until nothing is left. */
export async function measureStart(contender: Contender, stage: Stage): Promise<StartTimes> {
  const started = await start(contender, stage);
  const answeredMs = performance.now();
  try {
    const [times, knownReady] = await Promise.all([followPod(started, stage), untilSaidReady(started, stage)]);
    const written = { written: answeredMs, ...(await writtenTimes(started, stage.audit)) };
    return sinceStart({ ...written, ...times, ...knownReady }, started);
  } finally {
    await end(started, stage);
    await stage.pods.untilGone(started.name, { withinMs: waitMsMax });
  }
}

/** Of performance.now(), like all below. */
async function followPod({ name, contender, port, programPort }: Start, { pods }: Stage): Promise<StartTimes> {
  const until = (test: (pod: Pod) => boolean) => pods.until(name, test, { withinMs: waitMsMax });
  const ask = { everyMs: askEveryMs, withinMs: waitMsMax };
  const { item, atMs: addressMs } = await until(({ status }) => status?.podIP !== undefined);
  const host = item.status?.podIP ?? "";
  const times: StartTimes = { "address known": addressMs };
  const hasSidecar = contender !== "bare Pod of the application";
  if (hasSidecar) times["sidecar serving"] = await untilAccepted({ host, port }, ask);
  const [answered, listening] = await Promise.all([
    untilAnswered({ host, port }, ask),
    // Where there is no relay, its answer is that.
    hasSidecar ? untilAccepted({ host, port: programPort }, ask) : undefined,
  ]);
  const [made, scheduled] = [
    await until(() => true),
    await until((pod) => conditionOf(pod, "PodScheduled", "True") !== undefined),
  ];
  return {
    ...times,
    "Pod made": made.atMs,
    scheduled: scheduled.atMs,
    "application listening": listening ?? answered,
    "first answer": answered,
  };
}

/** By the status stream, as a client of the API hears it; the API's word on /ready is the same. */
async function untilSaidReady({ id }: Start, { apiUrl }: Stage): Promise<StartTimes> {
  if (id === undefined) return {};
  for await (const { state, message } of new SpawnerClient({ url: apiUrl }).statusStream(id)) {
    if (state === "Swept" || state === "Failed") throw new Error(`${id} has ended as ${state}: ${message}`);
    if (state === "Ready") break;
  }
  const { status } = await fetch(`${apiUrl}/backend/${id}/ready`, { redirect: "manual" });
  if (status !== 302) throw new Error(`/ready of ${id}, which is ready, was answered with ${status}`);
  return { "known ready": performance.now() };
}

/** What the API server knows better than who waits for its answers. */
async function writtenTimes({ name, id }: Start, audit: AuditLog | undefined): Promise<StartTimes> {
  if (audit === undefined || id === undefined) return {};
  const writes = await audit.about(name);
  const creation = (resource: string) => writes.find((each) => each.verb === "create" && each.resource === resource);
  const [record, pod] = [creation("sessionlivedbackends"), creation("pods")];
  return {
    ...(record === undefined ? {} : { written: record.answeredMs - performance.timeOrigin }),
    // The controller has seen the record, and asks for the Pod.
    ...(pod === undefined ? {} : { seen: pod.receivedMs - performance.timeOrigin }),
  };
}

function sinceStart(times: StartTimes, { startMs }: Start): StartTimes {
  return Object.fromEntries(Object.entries(times).map(([step, atMs]) => [step, atMs - startMs]));
}

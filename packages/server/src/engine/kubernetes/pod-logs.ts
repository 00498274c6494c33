import type { Clock } from "../../lib/clock.ts";
import { pause } from "../../lib/pause.ts";
import type { LogQuery } from "../engine.ts";
import { isKubeError, type KubeClient } from "./kube-client.ts";

/** How often to look whether a container that is followed has started. */
const startPollMs = 500;

export interface LogSource {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly pod: string;
  readonly container: string;
  /** Whether the Pod is still there: whoever follows waits for its start so long. */
  isThere(): Promise<boolean>;
}

/**
 * What a container wrote, as its node keeps it: nothing where it has not started, or where the Pod is gone.
 * https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#get-read-log-of-the-specified-pod
 */
export async function* readPodLog(source: LogSource, query: LogQuery): AsyncGenerator<Uint8Array> {
  const { follow = false, signal } = query;
  for (;;) {
    const log = await openLog(source, query);
    if (log !== undefined) return yield* log;
    if (!follow) return;
    await pause(source.clock, startPollMs, signal);
    if (signal?.aborted || !(await source.isThere())) return;
  }
}

/** Undefined where the container has not started. */
async function openLog(
  { client, pod, container }: LogSource,
  { tailLines, follow = false, signal }: LogQuery,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  try {
    return await client.stream({
      method: "GET",
      path: `/api/v1/namespaces/${client.namespace}/pods/${pod}/log`,
      query: { container, tailLines, follow: follow || undefined },
      ...(follow ? { mayBeSilent: true } : {}),
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    if (signal?.aborted || isKubeError(error, "NotFound") || isNotStarted(error)) return undefined;
    throw error;
  }
}

/** "container … is waiting to start: …", whatever holds it up. */
function isNotStarted(error: unknown): boolean {
  return (
    isKubeError(error, "BadRequest") && /is waiting to start|ContainerCreating|PodInitializing/.test(error.message)
  );
}

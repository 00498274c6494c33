import { deadlines } from "../../core/deadlines.ts";
import type { WorkloadEnd, WorkloadObservation } from "../../core/decide.ts";
import { describeOutput } from "../../core/describe-output.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { readLastOutput } from "../last-output.ts";
import type { KubeClient } from "./kube-client.ts";
import { mayBeKilled, readNodeKill } from "./node-kill.ts";
import { observePod, type PodContext, type PodObservation } from "./observe-pod.ts";
import { readStartProblem } from "./pod-events.ts";
import { readPodLog } from "./pod-logs.ts";
import { ownerOf } from "./pod-names.ts";
import type { Pod } from "./pod-object.ts";
import { type PodProblem, problemOfPod } from "./pod-problem.ts";
import { applicationOf, servePortOf } from "./pod-view.ts";
import { SeenSince } from "./seen-since.ts";
import type { BackendServices } from "./service.ts";

export interface PodObserverOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Log;
  /** The Service of each backend, where there is to be one. */
  readonly services?: BackendServices;
  readonly isLost: (pod: Pod) => boolean;
}

/** Observes Pods with what they do not say of themselves: Events, the last output, Services, and since when something is so. */
export class PodObserver {
  readonly #options: PodObserverOptions;
  /** What holds up a start. */
  readonly #problems = new SeenSince();
  /** That its program has left with code 0, where its node may have ended it. */
  readonly #exits = new SeenSince();

  constructor(options: PodObserverOptions) {
    this.#options = options;
  }

  async observe(pod: Pod): Promise<WorkloadObservation> {
    const observation = observePod(pod, await this.#contextOf(pod));
    if (observation.kind !== "ended") return observation;
    const { lacksOutput = false, ...seen } = observation.end;
    const end = await this.#withNodeKill(pod, seen);
    const output = lacksOutput ? await this.#lastOutput(pod) : undefined;
    return { ...observation, end: output === undefined ? end : { ...end, message: `${end.message} ${output}` } };
  }

  /** The Pod is gone. */
  forget(pod: Pod): void {
    this.#problems.forget(pod.metadata.uid);
    this.#exits.forget(pod.metadata.uid);
    const owner = ownerOf(pod);
    if (owner !== undefined) this.#options.services?.forget(owner);
  }

  async #contextOf(pod: Pod): Promise<PodContext> {
    const { clock, services, isLost } = this.#options;
    const now = clock.now();
    const observation = observePod(pod, { now });
    const owner = ownerOf(pod);
    const isLiving = observation.kind === "pending" || observation.kind === "running";
    const service =
      isLiving && owner !== undefined
        ? await services?.of(owner, { servePort: servePortOf(pod), podUid: pod.metadata.uid })
        : undefined;
    const problem = await this.#problemOf(pod, observation, now);
    const problemSince = this.#problems.since(pod.metadata.uid, { what: problem?.reason, now });
    return {
      now,
      isLost: isLost(pod),
      ...(problem === undefined ? {} : { problem }),
      ...(problemSince === undefined ? {} : { problemSince }),
      ...(service === undefined ? {} : { service }),
    };
  }

  /** What holds up its start; asked of the Events where the Pod itself has been silent on its node for a while. */
  async #problemOf(pod: Pod, observation: PodObservation, now: Date): Promise<PodProblem | undefined> {
    if (observation.kind !== "pending") return undefined;
    const problem = problemOfPod(pod);
    const { scheduledAt, address } = observation;
    if (problem !== undefined || address !== undefined || scheduledAt === undefined) return problem;
    const isSilent = now.getTime() - scheduledAt.getTime() > deadlines.silentStartMs;
    return isSilent ? readStartProblem(this.#options.client, pod) : undefined;
  }

  /** A program that its node has ended may have left with code 0, and before its node has said so. */
  async #withNodeKill(pod: Pod, end: WorkloadEnd): Promise<WorkloadEnd> {
    if (end.reason !== "Exited" || !mayBeKilled(pod)) return end;
    const message = await readNodeKill(this.#options.client, pod);
    if (message !== undefined) return { ...end, reason: "Crashed", message };
    const seenAt = this.#exits.since(pod.metadata.uid, { what: end.reason, now: this.#options.clock.now() });
    return { ...end, certainAt: new Date(seenAt.getTime() + deadlines.lateEventMs) };
  }

  /** For the message of an end; undefined where it cannot be read. */
  async #lastOutput(pod: Pod): Promise<string | undefined> {
    const { client, clock, log } = this.#options;
    const { name } = pod.metadata;
    const container = applicationOf(pod)?.name ?? "";
    const source = { client, clock, pod: name, container, isThere: async () => false };
    try {
      return describeOutput(await readLastOutput((query) => readPodLog(source, query)));
    } catch (error) {
      log.debug({ backend: name, err: error }, "output could not be read");
      return undefined;
    }
  }
}

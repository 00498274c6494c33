import { deadlines } from "../../core/deadlines.ts";
import { canConnect } from "../../lib/can-connect.ts";
import type { Clock, Timer } from "../../lib/clock.ts";
import type { Pod } from "./pod-object.ts";
import { isNodeUnheard, servePortOf } from "./pod-view.ts";

export interface UnheardPodsOptions {
  readonly clock: Clock;
  /** How long both a node and the relay of its Pod have to be silent until the Pod is given up. */
  readonly nodeLostSeconds: number;
  /** Told when a Pod is given up. */
  readonly onLost: (pod: Pod) => void;
  /** Whether somebody listens there. Default: by a TCP connection. */
  readonly answers?: (pod: Pod) => Promise<boolean>;
}

interface Watch {
  pod: Pod;
  timer: Timer | undefined;
  /** Since when nobody has answered; undefined while somebody does. */
  silentSinceMs: number | undefined;
  isLost: boolean;
}

/**
 * Pods whose node the control plane does not hear of. Such a node may well run them: each is asked itself, and given up only
 * when it has not answered for a while either.
 */
export class UnheardPods {
  readonly #options: UnheardPodsOptions;
  /** By the Pod's UID. */
  readonly #watches = new Map<string, Watch>();

  constructor(options: UnheardPodsOptions) {
    this.#options = options;
  }

  /** A Pod as it is now. */
  note(pod: Pod): void {
    const { uid } = pod.metadata;
    const known = this.#watches.get(uid);
    if (!isNodeUnheard(pod)) return this.forget(uid);
    if (known !== undefined) {
      known.pod = pod;
      return;
    }
    const watch: Watch = { pod, timer: undefined, silentSinceMs: undefined, isLost: false };
    this.#watches.set(uid, watch);
    void this.#ask(watch);
  }

  isLost(uid: string): boolean {
    return this.#watches.get(uid)?.isLost === true;
  }

  forget(uid: string): void {
    this.#watches.get(uid)?.timer?.cancel();
    this.#watches.delete(uid);
  }

  close(): void {
    for (const uid of [...this.#watches.keys()]) this.forget(uid);
  }

  async #ask(watch: Watch): Promise<void> {
    const { clock, nodeLostSeconds, onLost, answers = hasListener } = this.#options;
    const askedAtMs = clock.monotonicMs();
    const answered = await answers(watch.pod);
    if (this.#watches.get(watch.pod.metadata.uid) !== watch) return;
    watch.silentSinceMs = answered ? undefined : (watch.silentSinceMs ?? askedAtMs);
    const silentMs = watch.silentSinceMs === undefined ? 0 : clock.monotonicMs() - watch.silentSinceMs;
    if (silentMs >= nodeLostSeconds * 1000) {
      watch.isLost = true;
      onLost(watch.pod);
      return;
    }
    watch.timer = clock.after(deadlines.unheardPodPollMs, () => void this.#ask(watch));
  }
}

function hasListener(pod: Pod): Promise<boolean> {
  const host = pod.status?.podIP ?? "";
  return canConnect(servePortOf(pod), { host, mostMs: deadlines.relayHostRequestMs });
}

import type { Log } from "../../lib/log.ts";
import { isOrphaned } from "./pod-names.ts";
import type { Pod } from "./pod-object.ts";

/**
 * Pods whose backend was deleted without them. They are told of, once each, and let be: it was somebody's wish that they
 * outlive their backend, and whoever may make Pods may give one our labels.
 */
export class OrphanedPods {
  readonly #options: { readonly log: Log; readonly namespace: string };
  /** UIDs of those that were told of. */
  readonly #told = new Set<string>();

  constructor(options: { log: Log; namespace: string }) {
    this.#options = options;
  }

  /** A Pod as it is now. */
  note(pod: Pod): void {
    const { name, uid } = pod.metadata;
    if (!isOrphaned(pod) || this.#told.has(uid)) return;
    this.#told.add(uid);
    const { log, namespace } = this.#options;
    const advice = `kubectl delete pod ${name} --namespace ${namespace}`;
    log.warn({ pod: name, advice }, "the backend of a Pod is gone, and nobody ends the Pod");
  }

  forget(uid: string): void {
    this.#told.delete(uid);
  }
}

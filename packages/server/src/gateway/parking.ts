import { addressOf } from "../core/address.ts";
import { deadlines } from "../core/deadlines.ts";
import { isSpawnerError } from "../core/errors.ts";
import type { Backend } from "../core/resource.ts";
import { hasEnded, stateOf } from "../core/status.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Answer, Exchange, Plan } from "../relay/index.ts";
import { refuse, unknown } from "./answers.ts";
import type { Directory, WaitOutcome } from "./directory.ts";
import type { ClientView } from "./forwarded.ts";
import type { GatewayMetrics, ParkedOutcome } from "./metrics.ts";

/** The backend that a request is for, and what it gets. */
export interface Wanted {
  readonly id: string;
  readonly name: string;
  /** What it gets: the rest of the path and the query. */
  readonly target: string;
  /** `/<id>`: what was taken off the path; "" on a host of the backend's own. */
  readonly prefix: string;
  /** How its client reached us. */
  readonly view: ClientView;
}

export interface ParkingDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly directory: Directory;
  readonly metrics: GatewayMetrics;
  /** How many requests the directory lets wait. */
  readonly parkedMax: number;
  /** Whether a request is for another generation of a backend than this one. */
  isForAnother(exchange: Exchange, backend: Backend, wanted: Wanted): boolean;
  /** What a request gets that is not to wait for a backend; undefined for those that are. */
  answer(exchange: Exchange, backend: Backend, wanted: Wanted): Plan | undefined;
  /** What is said of a backend that is over. */
  ended(exchange: Exchange, backend: Backend): Answer;
  /** The way to a backend that is reachable. */
  forward(exchange: Exchange, backend: Backend, wanted: Wanted): Plan;
}

/** How long to wait for word of a backend whose relay host does not answer: it may just be ending. */
const failureNewsMs = 500;

/** What becomes of a request, and, where it had to wait, what ended that. */
interface Settled {
  readonly plan: Plan;
  readonly outcome: ParkedOutcome;
}

/** The backend is on its way, and was like this. */
interface Waiting {
  readonly seen: Backend;
}

/** What to say of a backend that was tried often enough. */
function codeOfFailure({ previousFailure }: Exchange): "upstream_timeout" | "upstream_failed" {
  return previousFailure?.kind === "upstream_timeout" ? "upstream_timeout" : "upstream_failed";
}

/** Whether requests can be sent to a backend. */
export function isReachable(backend: Backend): boolean {
  return stateOf(backend) === "Ready" && addressOf(backend) !== undefined;
}

/** Where requests go whose backend is not known, not ready yet, or has just failed to answer. */
export class Parking {
  readonly #deps: ParkingDeps;

  constructor(deps: ParkingDeps) {
    this.#deps = deps;
  }

  /** Finds the backend, and waits for it where it is on its way. */
  async resolve(exchange: Exchange, wanted: Wanted): Promise<Plan> {
    const { previousFailure } = exchange;
    if (previousFailure !== undefined) await this.#awaitNews(exchange, wanted.name);
    const found = await this.#find(exchange, wanted, { fresh: previousFailure !== undefined });
    if ("plan" in found) return found.plan;
    const unpark = this.#deps.metrics.park();
    let outcome: ParkedOutcome = "failed";
    try {
      const settled = await this.#park(exchange, wanted, found);
      outcome = settled.outcome;
      return settled.plan;
    } finally {
      unpark(outcome);
    }
  }

  /** Where the request goes, as things are. */
  async #find(exchange: Exchange, wanted: Wanted, { fresh }: { fresh: boolean }): Promise<Settled | Waiting> {
    const { id, name } = wanted;
    const { directory } = this.#deps;
    let backend: Backend | undefined;
    try {
      backend = await directory.find(name, { fresh });
      const mayBeOld = !fresh && backend !== undefined && this.#deps.isForAnother(exchange, backend, wanted);
      if (mayBeOld) backend = await directory.find(name, { fresh: true });
    } catch (error) {
      if (!isSpawnerError(error)) throw error;
      return { outcome: "failed", plan: refuse(error.code, error.message) };
    }
    if (backend === undefined) return { outcome: "unknown", plan: unknown(id) };
    if (hasEnded(backend)) {
      return { outcome: "ended", plan: { kind: "answer", answer: this.#deps.ended(exchange, backend) } };
    }
    const answer = this.#deps.answer(exchange, backend, wanted);
    if (answer !== undefined) return { outcome: "refused", plan: answer };
    if (!isReachable(backend)) return { seen: backend };
    const plan =
      exchange.attempt > 1
        ? refuse(codeOfFailure(exchange), "The backend does not answer.")
        : this.#deps.forward(exchange, backend, wanted);
    return { outcome: "ready", plan };
  }

  /** Waits for the backend until the request can go somewhere. */
  async #park(exchange: Exchange, wanted: Wanted, first: Waiting): Promise<Settled> {
    const { clock, directory } = this.#deps;
    const { signal } = exchange;
    const untilMs = clock.monotonicMs() + deadlines.parkMs;
    for (let { seen } = first; ; ) {
      const waitMs = untilMs - clock.monotonicMs();
      const outcome = await directory.waitForChange(wanted.name, { seen, waitMs, signal });
      if (outcome !== "changed") return { outcome, plan: this.#notReady(outcome) };
      const found = await this.#find(exchange, wanted, { fresh: false });
      if ("plan" in found) return found;
      seen = found.seen;
    }
  }

  #notReady(outcome: Exclude<WaitOutcome, "changed">): Plan {
    switch (outcome) {
      case "timeout":
        return refuse("unavailable", `The backend was not ready within ${deadlines.parkMs / 1000} s; it may be soon.`);
      case "full":
        return refuse("too_many_waiting", `${this.#deps.parkedMax} requests wait for backends already.`);
      case "gone":
        return refuse("timeout", "The client went away.");
      default:
        return outcome satisfies never;
    }
  }

  /** After a failure: the backend's end may be about to be known. */
  async #awaitNews({ signal, previousFailure }: Exchange, name: string): Promise<void> {
    this.#deps.log.debug({ backend: name, err: previousFailure }, "relay host did not answer");
    const known = this.#deps.directory.peek(name);
    if (known === undefined || hasEnded(known)) return;
    await this.#deps.directory.waitForChange(name, { seen: known, waitMs: failureNewsMs, signal });
  }
}

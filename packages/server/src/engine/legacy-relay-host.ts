import { type IncomingMessage, request } from "node:http";
import { deadlines } from "../core/deadlines.ts";
import { SpawnerError } from "../core/errors.ts";
import type {
  HoldAnswer,
  RelayHost,
  RelayHostState,
  RelayHostWatcher,
  SealAnswer,
  SealRequest,
} from "../core/relay-host.ts";
import type { Clock } from "../lib/clock.ts";
import { StateReader } from "./state-reader.ts";

export interface LegacyRelayHostOptions {
  /** Base of its serve port: `http://10.0.0.7:9090`. */
  readonly url: string;
  /** Of its backend: the sidecar itself does not know it. */
  readonly gracePeriodSeconds: number;
}

/** It says whole seconds of the time of day: one that has just begun may be no more than a moment. */
const wholeSecondMs = 1_000;

/**
 * The sidecar of 0.1.9: it tells by `/_events` on its serve port what it is and each change, and can be asked for nothing.
 * Nothing comes from it for hours while nothing changes, so that silence is no loss; a connection that leads nowhere any more is
 * found by TCP's own probes.
 */
export class LegacyRelayHost implements RelayHost {
  readonly #options: LegacyRelayHostOptions;
  readonly #clock: Clock;

  constructor(options: LegacyRelayHostOptions, { clock }: { clock: Clock }) {
    this.#options = options;
    this.#clock = clock;
  }

  watch(watcher: RelayHostWatcher): () => void {
    const stop = new AbortController();
    this.#follow(watcher, stop.signal).catch((cause: unknown) => {
      if (!stop.signal.aborted) watcher.onLost(cause as Error);
    });
    return () => stop.abort();
  }

  async hold(): Promise<HoldAnswer> {
    throw new SpawnerError("unavailable", "A sidecar of 0.1.9 makes no promise to stay.");
  }

  /**
   * It cannot keep anybody out. What is asked instead is whether it is idle at this moment, on a connection of its own: what a
   * stream said last may be old.
   */
  async seal({ evenIfActive = false, isFinal = false }: SealRequest): Promise<SealAnswer> {
    if (evenIfActive || isFinal) return { sealed: true };
    const msUntilIdle = this.#msUntilIdle(await this.#ask());
    return msUntilIdle !== undefined && msUntilIdle <= 0 ? { sealed: true } : { sealed: false, msUntilIdle };
  }

  #msUntilIdle({ ready, liveConnections, idleMs }: RelayHostState): number | undefined {
    if (!ready || liveConnections > 0) return undefined;
    return this.#options.gracePeriodSeconds * 1000 - Math.max(idleMs - wholeSecondMs, 0);
  }

  async #follow(watcher: RelayHostWatcher, signal: AbortSignal): Promise<void> {
    for await (const state of this.#states(signal)) if (!signal.aborted) watcher.onState(state);
    throw new Error(`the sidecar at ${this.#options.url} ended its stream`);
  }

  /** The present state. */
  async #ask(): Promise<RelayHostState> {
    const signal = AbortSignal.timeout(deadlines.relayHostRequestMs);
    try {
      for await (const state of this.#states(signal)) return state;
      throw new Error("its stream ended at once");
    } catch (cause) {
      throw new SpawnerError("unavailable", `The sidecar at ${this.#options.url} did not answer.`, { cause });
    }
  }

  async *#states(signal: AbortSignal): AsyncGenerator<RelayHostState> {
    const reader = new StateReader();
    const response = await this.#open(signal);
    response.setEncoding("utf8");
    for await (const text of response) yield* reader.read(text as string);
  }

  #open(signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const asked = request(`${this.#options.url}/_events`, { agent: false, signal });
      const late = this.#clock.after(deadlines.relayHostRequestMs, () => asked.destroy(new Error("no answer in time")));
      asked.on("socket", (socket) => socket.setKeepAlive(true, deadlines.heartbeatMs));
      asked.on("error", (error) => {
        late.cancel();
        reject(error);
      });
      asked.on("response", (response) => {
        late.cancel();
        if (response.statusCode === 200) return resolve(response);
        asked.destroy();
        reject(new Error(`it answered ${response.statusCode}`));
      });
      asked.end();
    });
  }
}

import { deadlines } from "../core/deadlines.ts";
import { isSpawnerError, SpawnerError } from "../core/errors.ts";
import type { HoldAnswer, RelayHost, RelayHostWatcher, SealAnswer, SealRequest } from "../core/relay-host.ts";
import type { Clock, Timer } from "../lib/clock.ts";
import { StateReader } from "./state-reader.ts";

export interface HttpRelayHostOptions {
  /** Base of the control port: `http://10.0.0.7:9091`. */
  readonly controlUrl: string;
  /** Bearer token for it. */
  readonly token?: string;
}

/** A relay host in another process, asked over its control port. */
export class HttpRelayHost implements RelayHost {
  readonly #options: HttpRelayHostOptions;
  readonly #clock: Clock;

  constructor(options: HttpRelayHostOptions, { clock }: { clock: Clock }) {
    this.#options = options;
    this.#clock = clock;
  }

  watch(watcher: RelayHostWatcher): () => void {
    const stop = new AbortController();
    this.#follow(watcher, stop).catch((cause: unknown) => {
      if (!stop.signal.aborted || isSilence(stop.signal.reason)) watcher.onLost(cause as Error);
    });
    return () => stop.abort();
  }

  hold(seconds: number): Promise<HoldAnswer> {
    return this.#post<HoldAnswer>("/hold", { seconds });
  }

  seal({ leaseMs, ...how }: SealRequest): Promise<SealAnswer> {
    return this.#post<SealAnswer>("/seal", { leaseSeconds: leaseMs / 1000, ...how });
  }

  /** Reads the stream until it ends, which is always a loss: hosts end theirs only when they go. */
  async #follow(watcher: RelayHostWatcher, stop: AbortController): Promise<never> {
    let silence: Timer | undefined;
    const heard = () => {
      silence?.cancel();
      silence = this.#clock.after(deadlines.streamSilenceMs, () => stop.abort(new StreamSilence()));
    };
    heard();
    try {
      const response = await this.#fetch("/_events", { signal: stop.signal });
      if (!response.ok || response.body === null) throw await failureOf(response);
      const reader = new StateReader();
      for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
        heard();
        for (const state of reader.read(text)) watcher.onState(state);
      }
      throw new Error(`the relay host at ${this.#options.controlUrl} ended its stream`);
    } finally {
      silence?.cancel();
    }
  }

  async #post<Answer>(path: string, body: object): Promise<Answer> {
    try {
      const signal = AbortSignal.timeout(deadlines.relayHostRequestMs);
      const response = await this.#fetch(path, { method: "POST", body: JSON.stringify(body), signal });
      // 409 is an answer too: sealed already, or somebody is there.
      if (!response.ok && response.status !== 409) throw await failureOf(response);
      return (await response.json()) as Answer;
    } catch (cause) {
      if (isSpawnerError(cause)) throw cause;
      throw new SpawnerError("unavailable", `The relay host at ${this.#options.controlUrl} did not answer.`, { cause });
    }
  }

  #fetch(path: string, init: Omit<RequestInit, "headers">): Promise<Response> {
    const { controlUrl, token } = this.#options;
    const headers = new Headers(token === undefined ? {} : { authorization: `Bearer ${token}` });
    if (init.body !== undefined) headers.set("content-type", "application/json");
    return fetch(`${controlUrl}${path}`, { ...init, headers });
  }
}

class StreamSilence extends Error {
  constructor() {
    super(`nothing was heard for ${deadlines.streamSilenceMs / 1000} s`);
  }
}

function isSilence(reason: unknown): boolean {
  return reason instanceof StreamSilence;
}

async function failureOf(response: Response): Promise<SpawnerError> {
  return new SpawnerError("unavailable", `The relay host answered ${response.status}: ${await response.text()}`);
}

import { type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
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

/** A relay host in another process, asked over its control port. By node:http: `fetch` takes twice its memory and time. */
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
      const { aborted, reason } = stop.signal;
      if (!aborted || reason instanceof StreamSilence) watcher.onLost(aborted ? reason : (cause as Error));
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
      const response = await this.#ask("/_events", { signal: stop.signal });
      if (response.statusCode !== 200) throw await failureOf(response);
      const reader = new StateReader();
      for await (const part of response.setEncoding("utf8")) {
        heard();
        for (const state of reader.read(part as string)) watcher.onState(state);
      }
      throw new Error(`the relay host at ${this.#options.controlUrl} ended its stream`);
    } finally {
      silence?.cancel();
    }
  }

  async #post<Answer>(path: string, body: object): Promise<Answer> {
    try {
      const signal = AbortSignal.timeout(deadlines.relayHostRequestMs);
      const response = await this.#ask(path, { body: JSON.stringify(body), signal });
      // 409 is an answer too: sealed already, or somebody is there.
      if (response.statusCode !== 200 && response.statusCode !== 409) throw await failureOf(response);
      return JSON.parse(await text(response)) as Answer;
    } catch (cause) {
      if (isSpawnerError(cause)) throw cause;
      throw new SpawnerError("unavailable", `The relay host at ${this.#options.controlUrl} did not answer.`, { cause });
    }
  }

  /** On a connection of its own: a kept one may lead to nowhere by now. */
  #ask(path: string, { body, signal }: { body?: string; signal: AbortSignal }): Promise<IncomingMessage> {
    const { controlUrl, token } = this.#options;
    const headers = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
    };
    return new Promise((resolve, reject) => {
      const method = body === undefined ? "GET" : "POST";
      const asked = request(`${controlUrl}${path}`, { method, headers, agent: false, signal });
      // What comes after the response is the response's to tell.
      asked.on("error", reject);
      asked.once("response", resolve);
      asked.end(body);
    });
  }
}

class StreamSilence extends Error {
  constructor() {
    super(`nothing was heard for ${deadlines.streamSilenceMs / 1000} s`);
  }
}

async function failureOf(response: IncomingMessage): Promise<SpawnerError> {
  return new SpawnerError("unavailable", `The relay host answered ${response.statusCode}: ${await text(response)}`);
}

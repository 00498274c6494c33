import type { SpawnerClientError } from "../errors.ts";
import type { StatusMessage } from "../protocol.ts";
import type { RetryPolicy } from "../retry.ts";
import { isStatusMessage } from "../shapes.ts";
import { followStates } from "../status-stream.ts";
import { makeTransport } from "../transport.ts";
import type { Access } from "./connection.ts";
import type { SessionEnd } from "./session-options.ts";

/** One backend that a session has. */
export interface Generation {
  /** The newest there is. */
  access: Access;
  /**
   * Why another access is asked for before the next attempt: this one was refused; or nothing could be opened by it and
   * nobody said why, so that it is still good where no other one can be had.
   */
  doubt: "refused" | "unsure" | undefined;
  /** It was told to be ready, or has let a request in. */
  wasOfUse: boolean;
  /** Resolves when requests need not wait any more: it is ready, or over, or nobody says what it is. */
  readonly settled: Promise<void>;
  /** How it ended, as far as its API knows now. */
  findEnd(unknown: string): Promise<SessionEnd>;
  leave(): void;
}

export interface GenerationConfig {
  readonly fetch: typeof globalThis.fetch;
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  onStatus(status: StatusMessage): void;
  onEnd(end: SessionEnd): void;
}

/** Follows a backend until it is over or left. */
export function followGeneration(access: Access, config: GenerationConfig): Generation {
  const { fetch, timeoutMs, retry } = config;
  const { statusUrl } = access;
  const leaving = new AbortController();
  const { signal } = leaving;
  let settle = () => {};
  const settled = new Promise<void>((resolve) => {
    settle = resolve;
  });
  const transport =
    statusUrl === undefined
      ? undefined
      : makeTransport({ baseUrl: statusUrl, token: undefined, fetch, timeoutMs, errorCodes: ["not_found"] });

  const generation: Generation = {
    access,
    doubt: undefined,
    wasOfUse: false,
    settled,
    async findEnd(unknown) {
      const asked = transport?.json({ method: "GET", path: "", signal }, isStatusMessage);
      const status = await asked?.catch(() => undefined); // then `unknown` is all that is known
      return (status && endOf(status)) ?? { reason: "Gone", message: unknown };
    },
    leave: () => leaving.abort(),
  };

  const follow = async () => {
    if (transport === undefined) return;
    // By its generation alone, which is behind no state of it, and refuses the states of another.
    const lastEventId = `${access.generation}/`;
    const stream = { transport, path: () => "/stream", lastEventId, signal, retry, onFailure: settle };
    for await (const status of followStates(stream)) {
      config.onStatus(status);
      if (status.state === "Ready") {
        generation.wasOfUse = true;
        settle();
      }
      const end = endOf(status);
      if (end !== undefined) config.onEnd(end);
    }
  };
  follow()
    .catch((error: SpawnerClientError) => {
      // Where it cannot be followed otherwise, requests find out what is the matter with it.
      if (error.code === "not_found") config.onEnd({ reason: "Gone", message: error.message });
    })
    .finally(settle);
  return generation;
}

function endOf({ state, reason, message = "" }: StatusMessage): SessionEnd | undefined {
  return state === "Swept" || state === "Failed" ? { reason: reason ?? "Gone", message } : undefined;
}

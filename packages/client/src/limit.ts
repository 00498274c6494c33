import { SpawnerClientError } from "./errors.ts";

/** What may end an action before it is done: its caller's signal, or a time that it must not take longer than. */
export interface Limit {
  /** To be given to what is limited. */
  readonly signal: AbortSignal;
  /** From now on there are `ms` left; undefined: any time. */
  within(ms: number | undefined): void;
  /** The error to throw for one that came out of what is limited. */
  explain(error: unknown): SpawnerClientError;
  /** To be called when it is over, however it went: also cancels what still runs. */
  end(): void;
}

/** The longest that timers can wait. */
const timerMsMax = 2 ** 31 - 1;

/** Limits `action`, as messages name it: `GET http://…`. */
export function makeLimit(action: string, signal: AbortSignal | undefined): Limit {
  const controller = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let limitMs: number | undefined;
  let isLate = false;

  const onAbort = () => controller.abort(signal?.reason);
  if (signal?.aborted) onAbort();
  else signal?.addEventListener("abort", onAbort, { signal: controller.signal });
  const onTime = () => {
    isLate = true;
    controller.abort();
  };
  return {
    signal: controller.signal,
    within(ms) {
      clearTimeout(timer);
      limitMs = ms;
      if (ms !== undefined && ms <= timerMsMax) timer = setTimeout(onTime, ms);
    },
    explain(error) {
      if (signal?.aborted)
        return new SpawnerClientError("aborted", `${action} was aborted by its caller.`, { cause: signal.reason });
      if (isLate) return new SpawnerClientError("timeout", `${action}: nothing came within ${limitMs} ms.`);
      if (error instanceof SpawnerClientError) return error;
      return new SpawnerClientError("unreachable", `${action} failed: ${reasonOf(error)}.`, { cause: error });
    },
    end() {
      clearTimeout(timer);
      controller.abort();
    },
  };
}

/**
 * Resolves after `ms`, or earlier when a browser has got its network back: whether that was so. Rejects with `aborted` when
 * the signal fires first.
 */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<boolean> {
  const limit = makeLimit("The wait", signal);
  limit.within(ms);
  const waiting = limit.signal;
  try {
    const isOnline = await new Promise<boolean>((resolve) => {
      waiting.onabort = () => resolve(false);
      if (waiting.aborted) resolve(false);
      const { addEventListener } = globalThis as Partial<EventTarget>; // Node has none
      addEventListener?.("online", () => resolve(true), { signal: waiting });
    });
    if (signal?.aborted) throw limit.explain(undefined);
    return isOnline;
  } finally {
    limit.end();
  }
}

/** Node says "fetch failed", and what it was in the cause; browsers say all they want to say in the message. */
function reasonOf(error: unknown): string {
  const { cause, message } = error as { cause?: { code?: string; message?: string }; message?: string };
  return cause?.message || cause?.code || message || String(error);
}

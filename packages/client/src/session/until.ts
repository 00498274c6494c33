/** The promise's outcome, or a rejection with the reason of the first of these signals that fires, whichever comes first. */
export function until<Value>(promise: Promise<Value>, ...signals: (AbortSignal | null | undefined)[]): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onAbort = () => settle(() => reject(signals.find((signal) => signal?.aborted)?.reason));
    const settle = (settled: () => void) => {
      for (const signal of signals) signal?.removeEventListener("abort", onAbort);
      settled();
    };
    for (const signal of signals) signal?.addEventListener("abort", onAbort);
    promise.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    );
    if (signals.some((signal) => signal?.aborted)) onAbort();
  });
}

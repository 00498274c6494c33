const endingSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Resolves to the first signal that asks this process to end; `onAgain` is called for each further one. */
export function untilSignal(onAgain: () => void = () => {}): Promise<NodeJS.Signals> {
  // A pending promise keeps no process alive, and the timers here do not either.
  const keepAlive = setInterval(() => {}, 2 ** 30);
  return new Promise((resolve) => {
    let isFirst = true;
    for (const signal of endingSignals) {
      process.on(signal, () => {
        if (!isFirst) return onAgain();
        isFirst = false;
        clearInterval(keepAlive);
        resolve(signal);
      });
    }
  });
}

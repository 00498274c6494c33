const endingSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** From now on, signals that ask this process to end do not end it. */
export interface Signals extends Disposable {
  /** Resolves to the first of them. */
  readonly first: Promise<NodeJS.Signals>;
}

/** Keeps the process alive until it is disposed of. `onAgain` is called for each signal after the first. */
export function listenForSignals(onAgain: () => void = () => {}): Signals {
  const { promise: first, resolve } = Promise.withResolvers<NodeJS.Signals>();
  // A pending promise keeps no process alive, and the timers here do not either.
  const keepAlive = setInterval(() => {}, 2 ** 30);
  let isFirst = true;
  const onSignal = (signal: NodeJS.Signals) => {
    if (!isFirst) return onAgain();
    isFirst = false;
    resolve(signal);
  };
  for (const signal of endingSignals) process.on(signal, onSignal);
  return {
    first,
    [Symbol.dispose]() {
      clearInterval(keepAlive);
      for (const signal of endingSignals) process.off(signal, onSignal);
    },
  };
}

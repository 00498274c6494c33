/** Calls a function of the application's by itself: what it throws is reported as its own, and stops nothing here. */
export function tell<Value>(listener: ((value: Value) => void) | undefined, value: Value): void {
  if (listener !== undefined) queueMicrotask(() => listener(value));
}

/** Has what a function of the application's has thrown reported as its own, and goes on. */
export function report(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

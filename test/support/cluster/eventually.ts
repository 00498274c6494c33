import { setTimeout as sleep } from "node:timers/promises";

const intervalMs = 50;

/** What `assertion` comes to, as soon as it holds; rejects with its last failure when it does not `withinMs`. */
export async function eventually<Result>(
  assertion: () => Result | Promise<Result>,
  withinMs = 30_000,
): Promise<Result> {
  const untilMs = performance.now() + withinMs;
  for (;;) {
    try {
      return await assertion();
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      await sleep(intervalMs);
    }
  }
}

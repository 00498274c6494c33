import { vi } from "vitest";

/** What `assertion` comes to, as soon as it holds; rejects with its last failure when it does not `withinMs`. */
export function eventually<Result>(assertion: () => Result | Promise<Result>, withinMs = 30_000): Promise<Result> {
  return vi.waitFor(assertion, { timeout: withinMs, interval: 50 });
}

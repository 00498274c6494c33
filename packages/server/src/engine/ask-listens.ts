import { deadlines } from "../core/deadlines.ts";
import { SpawnerError } from "../core/errors.ts";
import type { RelayHost } from "../core/relay-host.ts";
import type { Clock } from "../lib/clock.ts";
import { within } from "../lib/within.ts";

/** Whether the program behind a relay host listens at this moment. Rejects with `unavailable` where the host cannot be asked. */
export async function askListens(host: RelayHost, { clock }: { clock: Clock }): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const unwatch = host.watch({ onState: ({ ready }) => resolve(ready), onLost: reject });
  try {
    return await within(promise, { clock, mostMs: deadlines.relayHostRequestMs, what: "asking the relay host" });
  } catch (cause) {
    throw new SpawnerError("unavailable", "The relay host does not say whether the program listens.", { cause });
  } finally {
    unwatch();
  }
}

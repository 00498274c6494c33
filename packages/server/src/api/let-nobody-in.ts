import { deadlines } from "../core/deadlines.ts";
import type { Backend } from "../core/resource.ts";
import { within } from "../lib/within.ts";
import type { RouteDeps } from "./route-deps.ts";

/**
 * Has a backend that was asked to end let nobody in any more, as its controller will in a moment: by the time that the stop is
 * answered, no `connect` of any api can hand it out. A host that does not answer can promise nobody to stay either.
 */
export async function letNobodyIn(
  { engine, clock }: Pick<RouteDeps, "engine" | "clock">,
  backend: Backend,
): Promise<void> {
  const sealing = engine.relayHost(backend)?.seal({ leaseMs: deadlines.sealLeaseMs, evenIfActive: true });
  if (sealing === undefined) return;
  await within(sealing, { clock, mostMs: deadlines.holdMs, what: "sealing the backend" }).catch(() => {});
}

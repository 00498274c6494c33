import { deadlines } from "../core/deadlines.ts";
import type { Backend } from "../core/resource.ts";
import { hasEnded } from "../core/status.ts";
import type { StopRequest } from "../core/stop.ts";
import { within } from "../lib/within.ts";
import type { RouteDeps } from "./route-deps.ts";

type StopDeps = Pick<RouteDeps, "engine" | "clock">;

/**
 * Asks a backend to end at once, and has it let nobody in any more, as its controller will in a moment: when this resolves, no
 * `connect` of any api can hand it out. Rejects as `requestStop` of the store does.
 */
export async function stopBackend(deps: StopDeps, backend: Backend, request: StopRequest): Promise<Backend> {
  const { name, uid } = backend.metadata;
  const asked = await deps.engine.backends.requestStop({ name, uid }, request);
  if (!hasEnded(backend)) await letNobodyIn(deps, asked);
  return asked;
}

/** A host that does not answer can promise nobody to stay either. */
async function letNobodyIn({ engine, clock }: StopDeps, backend: Backend): Promise<void> {
  const sealing = engine.relayHost(backend)?.seal({ leaseMs: deadlines.sealLeaseMs, evenIfActive: true });
  if (sealing === undefined) return;
  await within(sealing, { clock, mostMs: deadlines.holdMs, what: "sealing the backend" }).catch(() => {});
}

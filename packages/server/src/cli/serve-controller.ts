import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { run } from "../controller/index.ts";
import { fenced } from "../engine/index.ts";
import { LeaderElection, ownImage } from "../engine/kubernetes/index.ts";
import { aborted } from "../lib/aborted.ts";
import type { ControllerFlags } from "./controller.ts";
import { type RoleProcess, runRole } from "./role-process.ts";

/** Name of the Lease that the controllers of a namespace share. */
const lease = "spawner-controller";

/** Leads or stands by until a signal asks this process to end. */
export function serveController(flags: ControllerFlags): Promise<void> {
  const { sidecar, imagePullSecret } = flags;
  const options = {
    role: "controller",
    flags,
    keys: "ensure",
    pods: async (client) => ({
      sidecarImage: sidecar ?? (await ownImage(client, hostname())),
      ...(imagePullSecret === undefined ? {} : { imagePullSecret }),
    }),
  } satisfies Parameters<typeof runRole>[0];
  return runRole(options, (process) => stand(flags, process));
}

async function stand(flags: ControllerFlags, process: RoleProcess): Promise<void> {
  const { client, clock, log, engine, metrics, ending, hurried } = process;
  const identity = `${hostname()}_${randomUUID()}`;
  const election = new LeaderElection({ client, clock, log, lease, identity });
  metrics.gauge({ name: "spawner_leader", help: "1 where this controller leads, 0 where it stands by." }, () =>
    election.isLeading ? 1 : 0,
  );
  // So that it knows everything when it comes to lead.
  const unwatch = engine.workloads.watch(() => {});
  const lead = (term: AbortSignal) => reconcile(flags, { process, mayWrite: () => election.isLeading, term });
  await Promise.race([election.run(lead, ending), aborted(hurried)]);
  unwatch();
}

/** What a leader does, for one term of it. Its metrics begin anew with each: those of a former one are history. */
async function reconcile(
  { retainSeconds, recordsMax, concurrency }: ControllerFlags,
  { process, mayWrite, term }: { process: RoleProcess; mayWrite: () => boolean; term: AbortSignal },
): Promise<void> {
  const { clock, log } = process;
  const engine = fenced(process.engine, mayWrite);
  const { metrics, close } = process.openMetrics();
  const controller = run({ retainSeconds, recordsMax, concurrency }, { engine, clock, log, metrics });
  await aborted(term);
  await controller.close();
  close();
}

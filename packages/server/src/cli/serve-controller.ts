import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { run } from "../controller/index.ts";
import { deadlines } from "../core/deadlines.ts";
import { isSpawnerError } from "../core/errors.ts";
import { fenced } from "../engine/index.ts";
import { Announcer, LeaderElection, ownImage } from "../engine/kubernetes/index.ts";
import { aborted } from "../lib/aborted.ts";
import { pause } from "../lib/pause.ts";
import type { ControllerFlags } from "./controller.ts";
import { type RoleOptions, type RoleProcess, runRole } from "./role-process.ts";

/** Name of the Lease that the controllers of a namespace share. */
const lease = "spawner-controller";

/** Leads or stands by until a signal asks this process to end. */
export function serveController(flags: ControllerFlags): Promise<void> {
  const { sidecar, imagePullSecret, nodeLostSeconds, compat = false } = flags;
  const options: RoleOptions = {
    role: "controller",
    flags,
    keys: "ensure",
    async pods(deps) {
      const sidecarImage = sidecar ?? (await findOwnImage(deps));
      if (sidecarImage === undefined) return undefined;
      return { sidecarImage, compat, nodeLostSeconds, ...(imagePullSecret === undefined ? {} : { imagePullSecret }) };
    },
  };
  return runRole(options, (process) => stand(flags, process));
}

/** Waits for an API server that is away, or until the process is to end. */
async function findOwnImage({
  client,
  clock,
  log,
  ending,
}: Pick<RoleProcess, "client" | "clock" | "log" | "ending">): Promise<string | undefined> {
  while (!ending.aborted) {
    try {
      return await ownImage(client, hostname());
    } catch (error) {
      if (!isSpawnerError(error, "unavailable")) throw error;
      log.warn({ err: error }, "the sidecar's image is not known yet, will be tried again");
      await pause(clock, deadlines.leaseRetryMs, ending);
    }
  }
  return undefined;
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
  { retainSeconds, recordsMax, concurrency, compat = false }: ControllerFlags,
  { process, mayWrite, term }: { process: RoleProcess; mayWrite: () => boolean; term: AbortSignal },
): Promise<void> {
  const { client, clock, log } = process;
  const engine = fenced(process.engine, mayWrite);
  const { metrics, close } = process.openMetrics();
  const controller = run({ retainSeconds, recordsMax, concurrency }, { engine, clock, log, metrics });
  const announcer = new Announcer({ client, backends: engine.backends, clock, log, compat });
  await aborted(term);
  await Promise.all([controller.close(), announcer.close()]);
  close();
}

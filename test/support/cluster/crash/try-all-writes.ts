import type { KubeClient } from "../../../../packages/server/src/engine/kubernetes/index.ts";
import type { ApiWrite } from "../api-proxy.ts";
import { makeNamespace } from "../namespace.ts";
import type { EndState } from "./end-state.ts";
import { type Disturbance, type DisturbedWrite, type LivedLife, live } from "./live.ts";
import type { Life } from "./lives.ts";
import { roleKinds, type StartRole } from "./replaced-role.ts";

export interface Trial {
  /** The writes of the undisturbed life: `controller POST pods`. */
  readonly writes: readonly string[];
  /** What differed from the undisturbed life, by the disturbance; empty where nothing did. */
  readonly problems: readonly string[];
  readonly summary: string;
}

export interface TrialOptions {
  readonly start: StartRole;
  readonly disturbances: readonly Disturbance[];
  /** How many lives are lived at once, each in a namespace of its own. */
  readonly concurrency: number;
}

/** States that are reached within a moment may share a write, so that one life can have a write less than another. */
const attemptsMax = 3;

/** Lives a life undisturbed, and then again with each disturbance at each of its writes. */
export async function tryAllWrites(life: Life, { start, disturbances, concurrency }: TrialOptions): Promise<Trial> {
  const undisturbed = await inNamespace((client) => live(life, { client, start }));
  const writes = roleKinds.flatMap((role) => undisturbed.writes[role].map((write) => ({ role, write })));
  const points = disturbances.flatMap((how) => writes.map(({ role, write }) => ({ role, number: write.number, how })));
  const problems = undisturbed.faults.map((fault) => `undisturbed: ${fault}`);
  let tried = 0;
  const queue = points.values();
  const work = async (client: KubeClient) => {
    for (const at of queue) {
      const what = `${nameOf(at.how)} at write ${at.number} of the ${at.role}`;
      try {
        const lived = await untilDisturbed(life, { client, start, at });
        if (lived === undefined) continue;
        tried += 1;
        problems.push(...differences(lived, { undisturbed, at }).map((problem) => `${what}: ${problem}`));
      } catch (error) {
        problems.push(`${what}: ${(error as Error).message}`);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, points.length) }, () => inNamespace(work)));
  const summary = `${life.name}: ${writes.length} writes, ${tried} of ${points.length} disturbances reached, ${problems.length} problems`;
  return { writes: writes.map(({ role, write }) => `${role} ${describe(write)}`), problems, summary };
}

async function inNamespace<Result>(work: (client: KubeClient) => Promise<Result>): Promise<Result> {
  const namespace = await makeNamespace();
  try {
    return await work(namespace.client);
  } finally {
    await namespace.dispose();
  }
}

async function untilDisturbed(
  life: Life,
  around: { client: KubeClient; start: StartRole; at: DisturbedWrite },
): Promise<LivedLife | undefined> {
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const lived = await live(life, around);
    if (lived.wasDisturbed || lived.faults.length > 0) return lived;
  }
  return undefined;
}

function differences(
  { endState, faults, podsMade, writes }: LivedLife,
  { undisturbed, at }: { undisturbed: LivedLife; at: DisturbedWrite },
): string[] {
  const problems = [...faults];
  // A Pod that is asked for too late is made, since nothing keeps the API server from it, and removed at once.
  const podsMax = undisturbed.podsMade + (at.how.kind === "late" ? 1 : 0);
  if (podsMade > podsMax) problems.push(`${podsMade} Pods were made`);
  for (const [field, expected] of Object.entries(undisturbed.endState)) {
    const [found, wanted] = [JSON.stringify(endState[field as keyof EndState]), JSON.stringify(expected)];
    if (found !== wanted) problems.push(`${field} is ${found} instead of ${wanted}`);
  }
  if (problems.length === 0) return [];
  const asked = roleKinds.map(
    (role) => `${role}: ${writes[role].map((write) => `${describe(write)} ${write.status}`).join(", ")}`,
  );
  return [`${problems.join("; ")}; writes of the ${asked.join("; of the ")}`];
}

function nameOf(how: Disturbance): string {
  if (how.kind === "late") return `late, until ${how.until},`;
  return "moment" in how ? `${how.kind} ${how.moment}` : how.kind;
}

function describe({ method, path }: ApiWrite): string {
  const [, resource, , subresource] = /namespaces\/[^/]+\/([^/]+)(\/[^/]+)?(\/[^/]+)?/.exec(path) ?? [];
  return `${method} ${resource}${subresource ?? ""}`;
}

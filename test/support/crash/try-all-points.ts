import { type EndState, unseen } from "./end-state.ts";
import type { Life } from "./life.ts";
import { type LivedLife, live } from "./live.ts";
import type { CrashPoint, Moment, TraceLine } from "./trace.ts";

export interface Trial {
  /** Actions of the server in the undisturbed life, each a point to crash before and after. */
  readonly points: readonly string[];
  /** Points at which every crash came to the same end state. */
  readonly same: readonly string[];
  /** What came to another end, or to none, or was never reached; empty if all is well. */
  readonly problems: readonly string[];
  /** One line that says so. */
  readonly summary: string;
}

/** Lives at once: more would wait for the processors. */
const concurrencyDefault = 3;
/** So many are enough to see what is wrong. */
const problemsMax = 5;
/** A point that only a race reaches may not be reached at once. */
const attemptsMax = 3;

const bothMoments: readonly Moment[] = ["before", "after"];

export interface TrialOptions {
  /** Lives at once: more of those that mostly wait. */
  readonly concurrency?: number;
  /** When to crash, by each action. Default: before it and, in another life, after it. */
  readonly moments?: readonly Moment[];
}

/** Lives a life undisturbed, then again with a crash by every action of its server. */
export async function tryAllPoints(
  life: Life,
  { concurrency = concurrencyDefault, moments = bothMoments }: TrialOptions = {},
): Promise<Trial> {
  const undisturbed = await live(life);
  return tryPoints(life, { undisturbed, earlier: [], actions: actionsOf(undisturbed.traces[0]), concurrency, moments });
}

/**
 * Lives a life with a crash at its first action of this name, and then again with a second crash before and after every
 * action of the server that was started after the first.
 */
export async function tryAllRestarts(life: Life, { name, moment }: { name: string; moment: Moment }): Promise<Trial> {
  const undisturbed = await live(life);
  const number = actionsOf(undisturbed.traces[0]).indexOf(name) + 1;
  if (number === 0) throw new Error(`no action of the life is ${JSON.stringify(name)}`);
  const first = { number, moment };
  const restarted = await live(life, [first]);
  return tryPoints(life, {
    undisturbed,
    earlier: [first],
    actions: actionsOf(restarted.traces[1]),
    concurrency: concurrencyDefault,
    moments: bothMoments,
  });
}

interface Points {
  readonly undisturbed: LivedLife;
  /** Crashes of earlier servers. */
  readonly earlier: readonly CrashPoint[];
  readonly actions: readonly string[];
  readonly concurrency: number;
  readonly moments: readonly Moment[];
}

async function tryPoints(life: Life, { undisturbed, earlier, actions, concurrency, moments }: Points): Promise<Trial> {
  const problems = undisturbed.endState.faults.map((fault) => `undisturbed: ${fault}`);
  const failed = new Set<number>();
  let tried = 0;
  const points = actions.flatMap((name, index) => moments.map((moment) => ({ number: index + 1, moment, name })));
  const queue = points.values();
  const work = async () => {
    for (const { name, ...point } of queue) {
      if (problems.length >= problemsMax) return;
      const problem = await tryPoint(life, { undisturbed, crashes: [...earlier, point] });
      tried += 1;
      if (problem === undefined) continue;
      failed.add(point.number);
      problems.push(`${point.moment} action ${point.number} (${name}): ${problem}`);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  const same = actions.filter((_, index) => !failed.has(index + 1));
  const summary = `${life.name}: crash points tried: ${Math.ceil(tried / moments.length)} (${moments.join(" and ")}), same end state: ${same.length}`;
  return { points: actions, same, problems, summary };
}

/** Resolves to what was different from the undisturbed life; undefined if nothing was. */
async function tryPoint(
  life: Life,
  { undisturbed, crashes }: { undisturbed: LivedLife; crashes: readonly CrashPoint[] },
): Promise<string | undefined> {
  try {
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const lived = await live(life, crashes);
      const problem = difference(life, undisturbed.endState, lived.endState);
      if (problem !== undefined || lived.crashes === crashes.length) return problem;
    }
    return `not reached in ${attemptsMax} lives`;
  } catch (error) {
    return (error as Error).message;
  }
}

function difference({ endsByItself = false }: Life, undisturbed: EndState, found: EndState): string | undefined {
  if (found.faults.length > 0) return found.faults.join("; ");
  const allowed = endsByItself ? [undisturbed, unseen(undisturbed)] : [undisturbed];
  if (allowed.some((end) => JSON.stringify(end) === JSON.stringify(found))) return undefined;
  return `another end state:\n${JSON.stringify(found)}\ninstead of\n${JSON.stringify(undisturbed)}`;
}

function actionsOf(trace: readonly TraceLine[] = []): string[] {
  return trace.flatMap((line) => (line.kind === "action" ? [line.name] : []));
}

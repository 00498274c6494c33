import { seededRandom } from "../../../../../test/support/random.ts";
import { compare, Disagreement } from "./compare.ts";
import { generate } from "./generate.ts";
import type { Stream } from "./reading.ts";

export interface Tally {
  cases: number;
  /** Messages that both read alike. */
  alike: number;
  /** Cases that ended with a refusal. */
  refused: number;
  /** Cases in which llhttp took the connection to be over earlier. */
  goesOn: number;
  /** Kind of refusal -> cases in which llhttp found nothing wrong. */
  readonly stricter: Map<string, number>;
  /** llhttp's code -> request lines that it alone did not like. */
  readonly requestLines: Map<string, number>;
}

/** After how many cases others have their turn: whoever runs tests takes one that is silent for a minute for dead. */
const casesPerTurn = 10_000;

/** Compares so many cases; each has a seed of its own, from `seed` on. Rejects with the seed and the bytes of one that differs. */
export async function fuzz({ seed, cases }: { seed: number; cases: number }): Promise<Tally> {
  const tally: Tally = { cases, alike: 0, refused: 0, goesOn: 0, stricter: new Map(), requestLines: new Map() };
  for (let index = 0; index < cases; index += 1) {
    if (index % casesPerTurn === 0) await new Promise((resolve) => setImmediate(resolve));
    const stream = generate(seededRandom(seed + index));
    const verdict = comparing(stream, seed + index);
    tally.alike += verdict.alike;
    if (verdict.refused) tally.refused += 1;
    if (verdict.goesOn) tally.goesOn += 1;
    if (verdict.stricter !== undefined) count(tally.stricter, verdict.stricter);
    for (const code of verdict.requestLines) count(tally.requestLines, code);
  }
  return tally;
}

function comparing(stream: Stream, seed: number) {
  try {
    return compare(stream);
  } catch (cause) {
    if (!(cause instanceof Disagreement)) throw cause;
    throw new Disagreement(`${cause.message}; seed ${seed}: ${describe(stream)}`, { cause });
  }
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

export function describe({ kind, bytes, cuts, requests }: Stream): string {
  return `${kind} ${JSON.stringify(bytes.toString("latin1"))}, cut at ${cuts.join(" ")}, to ${JSON.stringify(requests.toString())}`;
}

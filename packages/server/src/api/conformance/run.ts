import fc from "fast-check";
import { AnswerCheck } from "./answers.ts";
import { asksFor } from "./asks.ts";
import { type Operation, operationsOf } from "./document.ts";
import { RequestSequence, type Step } from "./request-sequence.ts";
import type { ChangeKind, Target } from "./target.ts";
import { wildRequests } from "./wild-requests.ts";

export interface RunOptions {
  readonly seed: number;
  /** How many sequences of requests, of about eight each. */
  readonly sequences: number;
  /** After this, with or without a failure, no further sequence begins. */
  readonly runMs: number;
}

/** What was asked and answered, for whoever wants to see that the run was worth it. */
export interface RunCounts {
  readonly requests: number;
  /** By `operationId status`, and `wild status`. */
  readonly answers: ReadonlyMap<string, number>;
}

const stepsMax = 12;

/**
 * Sends sequences of requests that are made from the document, and holds each answer to it. Rejects with the shortest
 * sequence found that is answered otherwise, and the seed and path that lead to it.
 */
export async function holdToDocument(target: Target, { seed, sequences, runMs }: RunOptions): Promise<RunCounts> {
  const check = new AnswerCheck(target.document);
  const operations = operationsOf(target.document);
  const answers = new Map<string, number>();
  const onAnswer = (what: string) => answers.set(what, (answers.get(what) ?? 0) + 1);
  const steps = fc.array(stepsFor(operations, check), { minLength: 4, maxLength: stepsMax, size: "max" });
  const property = fc.asyncProperty(steps, async (sequence) => {
    const requests = new RequestSequence(target, { check, operations, onAnswer });
    try {
      await requests.open();
      for (const step of sequence) await requests.take(step);
    } finally {
      await requests.clear();
    }
  });
  await fc.assert(property, {
    seed,
    numRuns: sequences,
    interruptAfterTimeLimit: runMs,
    markInterruptAsFailure: true,
  });
  return { requests: [...answers.values()].reduce((sum, count) => sum + count, 0), answers };
}

function stepsFor(operations: readonly Operation[], check: AnswerCheck): fc.Arbitrary<Step> {
  const changes = fc.record({
    kind: fc.constantFrom<ChangeKind>("advance", "end", "forget"),
    which: fc.nat(),
  });
  return fc.oneof(
    ...operations.map((operation) => ({
      arbitrary: asksFor(operation, check),
      weight: weightOf(operation),
    })),
    { arbitrary: wildRequests, weight: 20 },
    { arbitrary: changes, weight: 15 },
  );
}

/** Most where there is most to get wrong. */
function weightOf({ path, body }: Operation): number {
  if (body !== undefined) return 8;
  return path.includes("{id}") ? 6 : 2;
}

/** Where the middle of some measurements is, and where the truth is likely to be. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** The share of cases in which the true median is outside of the interval, at most. */
const doubt = 0.05;

/**
 * The median with its interval of 95 % by order statistics: it asks nothing of how the values are distributed. With
 * fewer than six values, which are too few for that, it is from the least to the greatest.
 */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? Number.NaN;
  const { length } = sorted;
  const median = (at(Math.floor((length - 1) / 2)) + at(Math.ceil((length - 1) / 2))) / 2;
  const cut = cutOf(length);
  return { median, low: at(cut), high: at(length - 1 - cut) };
}

/** How many values may be left out at each end: the greatest number whose binomial tails stay below the doubt. */
function cutOf(count: number): number {
  let tail = 0.5 ** count;
  let term = tail;
  let cut = 0;
  while (cut < count / 2) {
    term *= (count - cut) / (cut + 1);
    tail += term;
    if (2 * tail > doubt) return cut;
    cut += 1;
  }
  return 0;
}

/** What `ours` is to `peer` in each round. */
export function ratiosOf(ours: readonly number[], peer: readonly number[]): number[] {
  return ours.map((value, round) => value / (peer[round] ?? Number.NaN));
}

/** Throws a `TypeError` that names the option, where it is no time: `Infinity` is one, NaN and `"5"` are not. */
export function checkMs(option: string, ms: unknown, leastMs = 1): void {
  if (typeof ms === "number" && ms >= leastMs) return;
  const given = typeof ms === "number" ? ms : JSON.stringify(ms);
  throw new TypeError(`${option} must be a number of milliseconds, ${leastMs} or more, not ${given}.`);
}

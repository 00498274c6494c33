/** What the values of flags may be, for every parser of command lines. */
export interface NumberRange {
  least: number;
  most: number;
}

export const portRange: NumberRange = { least: 0, most: 65_535 };
/** Up to ten years. */
export const secondsRange: NumberRange = { least: 0, most: 315_360_000 };

/** The variable of a flag: `--serve-port` is also `SPAWNER_SERVE_PORT`. */
export function variableOf(flagName: string): string {
  return `SPAWNER_${flagName.replaceAll("-", "_").toUpperCase()}`;
}

/** A whole number within the range; throws what is needed as a RangeError. */
export function parseWholeNumber(text: string, { least, most }: NumberRange): number {
  const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new RangeError(`A whole number from ${least} to ${most} is needed.`);
}

/** The SHA-256 of something, in hexadecimal; throws what is needed as a RangeError. */
export function parseSha256(text: string): string {
  if (/^[0-9a-f]{64}$/i.test(text)) return text;
  throw new RangeError("64 hexadecimal digits are needed.");
}

import { InvalidArgumentError, Option } from "commander";

export interface NumberRange {
  least: number;
  most: number;
}

/** A flag, also given as `SPAWNER_<FLAG>`. */
export function flag(flags: string, description: string): Option {
  const name = /--([a-z0-9-]+)/.exec(flags)?.[1] ?? "";
  return new Option(flags, description).env(`SPAWNER_${name.replaceAll("-", "_").toUpperCase()}`);
}

/** A flag whose value is a whole number. */
export function numberFlag(flags: string, description: string, { least, most }: NumberRange): Option {
  return flag(flags, description).argParser((text: string) => {
    const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`A whole number from ${least} to ${most} is needed.`);
  });
}

export const portRange: NumberRange = { least: 0, most: 65_535 };
/** Up to ten years. */
export const secondsRange: NumberRange = { least: 0, most: 315_360_000 };

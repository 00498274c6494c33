import { InvalidArgumentError, Option } from "commander";
import { type NumberRange, parseSwitch, parseWholeNumber, variableOf } from "./flag-values.ts";
import { UsageError } from "./report-failure.ts";

export { type NumberRange, portRange, secondsRange } from "./flag-values.ts";

/** A flag, also given as `SPAWNER_<FLAG>`. */
export function flag(flags: string, description: string): Option {
  const name = /--([a-z0-9.-]+)/.exec(flags)?.[1] ?? "";
  return new Option(flags, description).env(variableOf(name));
}

/** A flag that is given or not. Commander takes any value of a variable for yes; here one that says no means no. */
export function switchFlag(flags: string, description: string): Option {
  const option = flag(flags, description);
  const { envVar = "" } = option;
  const value = process.env[envVar] ?? "";
  try {
    if (!parseSwitch(value)) delete option.envVar;
  } catch (error) {
    option.argParser(() => {
      throw new UsageError(`${envVar} is ${JSON.stringify(value)}; ${(error as Error).message}`);
    });
  }
  return option;
}

/** A flag whose value is a whole number. */
export function numberFlag(flags: string, description: string, range: NumberRange): Option {
  return parsedFlag(flags, description, (text) => parseWholeNumber(text, range));
}

/** A flag whose value is parsed; what `parse` throws as a RangeError says what is needed. */
export function parsedFlag<Value>(flags: string, description: string, parse: (text: string) => Value): Option {
  return flag(flags, description).argParser((text: string) => {
    try {
      return parse(text);
    } catch (error) {
      if (error instanceof RangeError) throw new InvalidArgumentError(error.message);
      throw error;
    }
  });
}

/** For `argParser`: all values of a flag that may be repeated. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

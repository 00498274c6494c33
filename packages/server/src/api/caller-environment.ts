import { choosesCode, matchesVariable } from "../core/code-variables.ts";
import { SpawnerError } from "../core/errors.ts";

export interface CallerRights {
  /** What the template permits: names, and beginnings of names that end in `*`. Default: any that choose no code. */
  readonly callerEnv?: readonly string[] | undefined;
  /** Whether the caller chooses what is run anyway. */
  readonly mayChooseCode: boolean;
}

/**
 * Throws invalid_request where a caller sets variables that are the operator's alone: those that a template does not permit, and
 * those by which whoever may only say what a program works on would choose what it runs.
 */
export function refuseCallerVariables(names: readonly string[], { callerEnv, mayChooseCode }: CallerRights): void {
  const problems = names.flatMap((name) => {
    if (callerEnv?.includes(name)) return [];
    if (callerEnv !== undefined && !callerEnv.some((pattern) => matchesVariable(pattern, name))) {
      const permitted = callerEnv.length === 0 ? "none" : callerEnv.join(", ");
      return [`env.${name} is not for callers of this template to set, which permits ${permitted} (callerEnv)`];
    }
    if (mayChooseCode || !choosesCode(name)) return [];
    return [`env.${name} is not for callers to set, since it may change what is run: it is to be in the template`];
  });
  if (problems.length > 0) throw new SpawnerError("invalid_request", `${problems.slice(0, problemsMax).join("; ")}.`);
}

/** Of one message. */
const problemsMax = 5;

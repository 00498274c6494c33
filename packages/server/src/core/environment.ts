/** A variable as a spec has it. */
interface Variable {
  readonly name: string;
  readonly value?: string | undefined;
}

/** Names that Spawner gives to the program itself. */
export function isReservedEnvName(name: string): boolean {
  return name === "PORT" || name.startsWith("SPAWNER_");
}

/** For `value` in a container's environment, where Kubernetes takes `$(NAME)` for another variable's value, and `$$` for `$`. */
export function literalValue(value: string): string {
  return value.replaceAll("$", "$$$$");
}

/** Whether Kubernetes would put another variable's value into this one. */
export function hasReference(value: string): boolean {
  return value.replaceAll("$$", "").includes("$(");
}

/** How messages name an environment and its variables. */
export interface EnvironmentNames {
  readonly whole: string;
  of(variable: Variable, index: number): string;
}

/** Linux hands no longer string to a program: MAX_ARG_STRLEN, 128 KiB, less the zero byte behind it (execve(2)). */
const variableBytesMax = 131_071;

/** Arguments and environment have 2 MiB by default (execve(2)): what is left is for what a program inherits. */
const environmentBytesMax = 1024 * 1024;

/** What no program can be started with, though each value is a string; one sentence each. Tells nothing of the values. */
export function problemsOfEnvironment(variables: readonly Variable[], names: EnvironmentNames): string[] {
  const problems = variables.flatMap((variable, index) => {
    const bytes = bytesOf(variable);
    const field = names.of(variable, index);
    if (variable.value?.isWellFormed() === false) {
      return [`${field} must be Unicode, without half a surrogate pair; a string was given`];
    }
    if (bytes <= variableBytesMax) return [];
    return [`${field} must have at most ${variableBytesMax} bytes as NAME=value; ${bytes} were given`];
  });
  const allBytes = variables.reduce((sum, variable) => sum + bytesOf(variable) + 1, 0);
  if (problems.length > 0 || allBytes <= environmentBytesMax) return problems;
  const limit = `at most ${environmentBytesMax} bytes in all, as NAME=value and a byte each`;
  return [`${names.whole} must have ${limit}; ${allBytes} were given`];
}

function bytesOf({ name, value = "" }: Variable): number {
  return Buffer.byteLength(name) + 1 + Buffer.byteLength(value);
}

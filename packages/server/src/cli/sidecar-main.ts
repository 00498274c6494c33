// The sidecar as one file of its own, build/spawner/dist/sidecar.cjs: every backend pays for it, so that it loads nothing
// but Node itself. The flags are those of `spawner sidecar`.
import { parseArgs } from "node:util";
import { parseSwitch, variableOf } from "./flag-values.ts";
import { serveSidecar } from "./serve-sidecar.ts";
import { type SidecarFlags, sidecarFlags, sidecarSwitches } from "./sidecar-flags.ts";

void main();

// Nothing is awaited outside of functions: this is built as a script, which Node starts sooner than a module.
async function main(): Promise<void> {
  try {
    const flags = readFlags(process.argv.slice(2), process.env);
    if (flags === undefined) process.stdout.write(help());
    else await serve(flags);
  } catch (error) {
    process.stderr.write(`spawner sidecar: ${(error as Error).message}\n`);
    process.exitCode = 2;
  }
}

async function serve(flags: SidecarFlags): Promise<void> {
  try {
    await serveSidecar(flags);
  } catch (error) {
    process.stderr.write(`spawner sidecar: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}

/** Undefined where help is asked for. Throws what is wrong with a flag. */
function readFlags(args: readonly string[], env: NodeJS.ProcessEnv): SidecarFlags | undefined {
  const options = Object.fromEntries(sidecarFlags.map(({ name }) => [name, { type: "string" as const }]));
  const switches = Object.fromEntries(sidecarSwitches.map(({ name }) => [name, { type: "boolean" as const }]));
  const { values } = parseArgs({
    args: [...args],
    options: { ...options, ...switches, help: { type: "boolean", short: "h" } },
  });
  if (values.help === true) return undefined;
  const given = sidecarFlags.flatMap(({ name, key, parse, default: value }) => {
    const text = (values as Record<string, string | undefined>)[name] ?? env[variableOf(name)];
    if (text === undefined) return value === undefined ? [] : [[key, value]];
    return [[key, named(name, text, parse)]];
  });
  const switched = sidecarSwitches.map(({ name, key }) => {
    const isGiven = (values as Record<string, boolean | undefined>)[name] === true;
    return [key, isGiven || named(name, env[variableOf(name)] ?? "", parseSwitch)];
  });
  return Object.fromEntries([...given, ...switched]) as SidecarFlags;
}

function named<Value>(name: string, text: string, parse: (text: string) => Value): Value {
  try {
    return parse(text);
  } catch (error) {
    throw new Error(`--${name} is ${JSON.stringify(text)}. ${(error as Error).message}`, { cause: error });
  }
}

function help(): string {
  const lines = sidecarFlags.map(({ name, value, description, default: byDefault }) => {
    const suffix = byDefault === undefined ? "" : ` (default: ${JSON.stringify(byDefault)})`;
    return `  ${`--${name} <${value}>`.padEnd(32)}${description}${suffix}, or ${variableOf(name)}`;
  });
  for (const { name, description } of sidecarSwitches) {
    lines.push(`  ${`--${name}`.padEnd(32)}${description}, or ${variableOf(name)}=1`);
  }
  return `Serves one backend: relays to its program, counts who is there, answers the sweeper.\n\n${lines.join("\n")}\n`;
}

import type { Command } from "commander";
import { systemClock } from "../lib/clock.ts";
import { commandProblem } from "./command-problem.ts";
import { addEmbeddedFlags, configOfFlags, type EmbeddedFlags, loopbackNames } from "./embedded-flags.ts";
import { collect, flag, switchFlag } from "./flags.ts";
import { makeLogger } from "./logger.ts";
import { listenForSignals } from "./signals.ts";
import { startEmbedded } from "./start-embedded.ts";
import { devStateDir } from "./state-dir.ts";
import { openTerminal } from "./terminal.ts";

interface DevFlags extends EmbeddedFlags {
  watch?: true;
  watchPath?: string[];
  watchIgnore?: string[];
  plain?: true;
}

/** A person who has pressed Ctrl-C waits no longer than this for programs that do not want to end. */
const stopGraceSecondsMax = 5;

const examples = `
Examples:
  spawner dev -- node server.js              a Node server that listens on PORT
  spawner dev -- python3 app.py              any other program does as well
  spawner dev --grace-period 10 -- ./server  ended 10 s after the last client has left
  spawner dev --watch -- node server.js      tells which sessions run a program that has changed since

Every flag can also be given as SPAWNER_<FLAG>: SPAWNER_PORT=9000 spawner dev -- node server.js`;

export function addDevCommand(program: Command): void {
  const command = program.command("dev").description("Run a command for each session, on this machine");
  addEmbeddedFlags(command, { logLevel: "warn", stateDirDefault: "of this user and port" })
    .addOption(switchFlag("--watch", "tell when the program's files change, and which sessions are older"))
    .addOption(
      pathsFlag(
        "--watch-path <path>",
        "file or folder to watch, may be repeated (default: the present folder)",
      ).implies({
        watch: true,
      }),
    )
    .addOption(
      pathsFlag("--watch-ignore <path>", "file or folder in which changes mean nothing, such as data; may be repeated"),
    )
    .addOption(switchFlag("--plain", "write lines even where sessions could be shown live"))
    .addHelpText("after", examples)
    .action(async (command: string[], flags: DevFlags) => {
      const stateDir = devStateDir(flags);
      try {
        await serve(command, { ...flags, stateDir: stateDir.path });
      } finally {
        stateDir.cleanUp();
      }
    });
}

function pathsFlag(flags: string, description: string) {
  return flag(flags, description).argParser(collect);
}

async function serve(command: string[], flags: DevFlags & { stateDir: string }): Promise<void> {
  await using held = new AsyncDisposableStack();
  let hurry = () => {};
  const signals = held.use(listenForSignals(() => hurry()));
  const terminal = openTerminal(process.stdout, { plain: flags.plain === true });
  const log = await makeLogger(flags.logLevel, terminal.isLive ? terminal.print : undefined);
  const config = {
    ...configOfFlags(command, flags),
    host: "127.0.0.1",
    stateDir: flags.stateDir,
    allowedHosts: loopbackNames,
    allowAnonymous: true,
  };
  const embedded = held.adopt(await startEmbedded(config, log), ({ close }) => close());
  const { engine, url } = embedded;
  const view = held.adopt(await terminal.openView({ engine, url, clock: systemClock }), (opened) => opened.close());
  if (flags.watch) {
    const { tellChanges } = await import("./tell-changes.ts");
    const watched = { paths: flags.watchPath ?? ["."], ignored: [flags.stateDir, ...(flags.watchIgnore ?? [])] };
    held.adopt(await tellChanges({ clock: systemClock, engine, view, ...watched }), ({ close }) => close());
  }
  view.print(banner(command, embedded, flags));
  const { abandonedPrograms } = await import("./abandoned-dev.ts"); // here, since it loads the engine
  const problem = command.length === 0 ? undefined : commandProblem(command);
  for (const warning of [problem, ...abandonedPrograms(flags.stateDir)]) {
    if (warning !== undefined) view.print(`${warning}\n`);
  }
  held.defer(engine.backends.watch((change) => view.onChange(change)));

  await signals.first;
  // What keeps it from that is told by the drain that is waited for; where that is done already, there is nothing to hurry.
  hurry = () => void embedded.drain({ graceSecondsMax: 0 }).catch(() => {});
  view.print(farewell((await engine.workloads.list()).length));
  await embedded.drain({ graceSecondsMax: stopGraceSecondsMax });
}

function farewell(programCount: number): string {
  const programs = programCount === 1 ? "1 program" : `${programCount} programs`;
  const wait = `waiting for ${programs} to end, ${stopGraceSecondsMax} s at most`;
  return `\nEnding all sessions${programCount === 0 ? "" : `, ${wait}`}. Press Ctrl-C again to kill them.`;
}

type Started = Pick<Awaited<ReturnType<typeof startEmbedded>>, "url" | "needsTemplate">;

function banner(command: string[], { url, needsTemplate }: Started, flags: DevFlags): string {
  const { gracePeriod, watch, watchPath = ["."], templates } = flags;
  const programs = [command.join(" "), templates === undefined ? "" : `the templates of ${templates}`];
  return `Spawner runs a process of its own for each session: ${programs.filter((each) => each !== "").join(", and ")}

  ${url}/           ${needsTemplate ? "tells which templates there are" : "starts a session for whoever opens it"}
  ${url}/<id>/      is ${needsTemplate ? "a" : "that"} session; ended ${gracePeriod} s after its last client has left
  ${url}/api/spawn  starts one${needsTemplate ? "" : " too"}: curl -X POST -H 'content-type: application/json' -d '${needsTemplate ? '{"template": "NAME"}' : "{}"}'
${watch ? `\nNew sessions run the program as it then is; watching ${watchPath.join(", ")}\n` : ""}
Ctrl-C ends all of them.
`;
}

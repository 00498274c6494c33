import type { Command } from "commander";
import { hostNameOf } from "../core/host-names.ts";
import type { EmbeddedConfig } from "../embedded/index.ts";
import { requireCallers } from "./callers.ts";
import { commandProblem } from "./command-problem.ts";
import { addEmbeddedFlags, configOfFlags, type EmbeddedFlags, loopbackNames } from "./embedded-flags.ts";
import { parseOrigin } from "./flag-values.ts";
import { flag, numberFlag, parsedFlag, portRange, switchFlag } from "./flags.ts";
import { makeLogger } from "./logger.ts";
import { UsageError } from "./report-failure.ts";
import { listenForSignals } from "./signals.ts";
import { startEmbedded } from "./start-embedded.ts";
import { serveStateDir } from "./state-dir.ts";

interface ServeFlags extends EmbeddedFlags {
  engine: "process";
  host: string;
  publicUrl?: string;
  allowedHosts?: string[];
  tokensFile?: string;
  allowAnonymous?: true;
  controlPort?: number;
  controlHost: string;
}

/** Addresses that stand for all of a machine, and that no client can use. */
const wildcards: ReadonlySet<string> = new Set(["0.0.0.0", "::", "0:0:0:0:0:0:0:0"]);
/** How long requests in flight may take to be answered when the server is to end. */
const quiesceMs = 2_000;

const examples = `
Examples:
  spawner serve --tokens-file tokens -- node server.js
      whoever is to start and end sessions needs one of the tokens in the file, one a line
  spawner serve --tokens-file tokens --public-url https://play.example.com -- ./game
      behind a proxy that ends TLS and passes the Host field on
  spawner serve --tokens-file tokens --host-domain play.example.com --public-url https://play.example.com -- ./game
      each session at https://<id>.play.example.com/, an origin of its own
  spawner serve --allow-anonymous -- node server.js
      trusts everybody who can reach the port
  spawner serve --tokens-file tokens --templates /etc/spawner/templates
      several programs, each a file such as game.yaml: command: [node, server.js]

SIGTERM and SIGINT end the server and leave every session running: the next start, with the same state folder, goes on
with them, whether it is another version, on another port or after a crash.

Every flag can also be given as SPAWNER_<FLAG>: SPAWNER_PORT=9000 spawner serve ...`;

export function addServeCommand(program: Command): void {
  const command = program
    .command("serve")
    .description("Serve sessions on this machine for good: they outlive restarts of the server")
    .addOption(flag("--engine <engine>", "what runs the sessions").choices(["process"]).default("process"))
    .addOption(flag("--host <address>", "address to listen on").default("127.0.0.1"));
  addEmbeddedFlags(command, {
    logLevel: "info",
    stateDirDefault: "$STATE_DIRECTORY, or of this user: ~/.local/state/spawner/serve",
  })
    .addOption(
      parsedFlag("--public-url <url>", "what clients reach this server by (default: its host and port)", parseOrigin),
    )
    .addOption(
      parsedFlag("--allowed-hosts <names>", "host names that requests may name, with commas in between", parseNames),
    )
    .addOption(
      flag(
        "--tokens-file <file>",
        "tokens that the API asks for, one a line, behind it what it is for: read,spawn",
      ).conflicts("allowAnonymous"),
    )
    .addOption(switchFlag("--allow-anonymous", "let everybody use the API who can reach it"))
    .addOption(
      numberFlag(
        "--control-port <port>",
        "port of the whole API, at /; /api has the public routes alone then (default: /api has all)",
        portRange,
      ),
    )
    .addOption(flag("--control-host <address>", "address to listen on for it").default("127.0.0.1"))
    .addHelpText("after", examples)
    .action((command: string[], flags: ServeFlags) => serve(command, flags));
}

async function serve(command: string[], flags: ServeFlags): Promise<void> {
  const config = serveConfig(command, flags);
  const { promise: hurried, resolve: hurry } = Promise.withResolvers<void>();
  using signals = listenForSignals(hurry);
  const log = await makeLogger(flags.logLevel);
  const problem = command.length === 0 ? undefined : commandProblem(command);
  if (problem !== undefined) log.warn({ command, problem }, "program cannot be started");
  const embedded = await startEmbedded(config, log);
  const { host, port, controlPort, adoptedCount: adopted } = embedded;
  log.info(
    { url: flags.publicUrl ?? embedded.url, host, port, controlPort, stateDir: config.stateDir, adopted },
    "serving",
  );
  const signal = await signals.first;
  log.info({ signal }, "ending, sessions go on");
  await Promise.race([embedded.quiesce({ mostMs: quiesceMs }), hurried]);
  await embedded.close();
}

function serveConfig(command: string[], flags: ServeFlags): EmbeddedConfig {
  const { host, publicUrl, tokensFile, allowAnonymous = false, controlPort, controlHost } = flags;
  requireCallers(flags, { reached: "server" });
  if (publicUrl === undefined && wildcards.has(host)) {
    throw new UsageError(
      `--host ${host} is no address that clients can use: give theirs, --public-url http://NAME:${flags.port}.`,
    );
  }
  return {
    ...configOfFlags(command, flags),
    host,
    stateDir: serveStateDir(flags),
    allowedHosts: flags.allowedHosts ?? defaultHosts(publicUrl, host),
    allowAnonymous,
    ...(publicUrl === undefined ? {} : { publicUrl }),
    ...(tokensFile === undefined ? {} : { tokensFile }),
    ...(controlPort === undefined ? {} : { control: { host: controlHost, port: controlPort } }),
  };
}

function defaultHosts(publicUrl: string | undefined, host: string): string[] {
  const own = publicUrl === undefined ? host : new URL(publicUrl).hostname;
  const name = own.includes(":") && !own.startsWith("[") ? `[${own}]` : own;
  return [...new Set([...loopbackNames, hostNameOf(name)])];
}

function parseNames(text: string): string[] {
  const names = text.split(",").map((name) => hostNameOf(name.trim()));
  if (names.every((name) => name !== "" && !/[\s/]/.test(name))) return names;
  throw new RangeError("Host names with commas in between are needed, such as play.example.com,10.0.0.5.");
}

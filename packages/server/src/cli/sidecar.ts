import { type Command, InvalidArgumentError } from "commander";
import { specDefaults } from "../core/resource.ts";
import { systemClock } from "../lib/clock.ts";
import { flag, numberFlag, portRange, secondsRange } from "./flags.ts";
import { untilSignal } from "./signals.ts";

interface SidecarFlags {
  host: string;
  servePort: number;
  controlPort: number;
  upstreamPort: number;
  gracePeriod: number;
  firstClient: number;
  identity?: string;
  controlTokenSha256?: string;
}

export function addSidecarCommand(program: Command): void {
  program
    .command("sidecar")
    .description("Serve one backend: relay to its program, count who is there, answer the sweeper")
    .addOption(flag("--host <address>", "address to listen on").default("0.0.0.0"))
    .addOption(numberFlag("--serve-port <port>", "port that is relayed to the program", portRange).default(9090))
    .addOption(numberFlag("--control-port <port>", "port of /_events, /hold and /seal", portRange).default(9091))
    .addOption(
      numberFlag("--upstream-port <port>", "port of the program", { least: 1, most: 65_535 }).default(
        specDefaults.httpPort,
      ),
    )
    .addOption(
      numberFlag("--grace-period <seconds>", "time without a client that counts as idle", secondsRange).default(
        specDefaults.gracePeriodSeconds,
      ),
    )
    .addOption(
      numberFlag("--first-client <seconds>", "time to wait for a first client at least", secondsRange).default(
        specDefaults.firstClientSeconds,
      ),
    )
    .addOption(flag("--identity <name/uid>", "refuse requests that are meant for another backend"))
    .addOption(
      flag("--control-token-sha256 <hex>", "SHA-256 of the bearer token that the control port asks for").argParser(
        parseSha256,
      ),
    )
    .action(async (flags: SidecarFlags) => {
      const { run } = await import("../sidecar/index.ts");
      const { servePort: port, gracePeriod, firstClient, ...rest } = flags;
      const sidecar = await run(
        { ...rest, port, gracePeriodSeconds: gracePeriod, firstClientSeconds: firstClient },
        { clock: systemClock },
      );
      process.stdout.write(`serving on port ${sidecar.port}, control on port ${sidecar.controlPort}\n`);
      await untilSignal();
      await sidecar.close();
    });
}

function parseSha256(text: string): string {
  if (/^[0-9a-f]{64}$/i.test(text)) return text;
  throw new InvalidArgumentError("64 hexadecimal digits are needed.");
}

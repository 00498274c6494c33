import type { Command, Option } from "commander";
import { isValidName } from "../core/names.ts";
import { specDefaults } from "../core/spec-defaults.ts";
import { portRange, secondsRange } from "./flag-values.ts";
import { flag, numberFlag, parsedFlag } from "./flags.ts";

/** What makes a SessionLivedBackend on the command line: the flags of 0.1.9. */
export interface SlabFlags {
  image: string;
  name?: string;
  prefix?: string;
  namespace: string;
  port?: number;
  gracePeriodSeconds: number;
  imagePullPolicy?: string;
  imagePullSecret?: string;
}

export function addSlabFlags(command: Command): Command {
  return command
    .helpGroup("Commands for Kubernetes:")
    .addOption(flag("--image <image>", "container image to run").makeOptionMandatory())
    .addOption(parsedFlag("--name <name>", "name of the SessionLivedBackend (default: generated)", parseName))
    .addOption(parsedFlag("--prefix <prefix>", 'start of a generated name (default: "spawner-")', parsePrefix))
    .addOption(flag("-n, --namespace <namespace>", "Kubernetes namespace to create it in").default("spawner"))
    .addOption(portFlag())
    .addOption(
      numberFlag(
        "--grace-period-seconds <seconds>",
        "time after the last client has left at which it ends",
        secondsRange,
      ).default(specDefaults.gracePeriodSeconds),
    )
    .addOption(
      flag("--image-pull-policy <policy>", "when to pull the image").choices(["Always", "IfNotPresent", "Never"]),
    )
    .addOption(
      flag("--image-pull-secret <secret>", "name of the Secret (kubernetes.io/dockerconfigjson) to pull with"),
    );
}

/** Without a variable: SPAWNER_PORT is where `dev` and `serve` listen, and what Kubernetes says of a Service "spawner". */
function portFlag(): Option {
  const option = numberFlag("-p, --port <port>", "port on which the program listens (default: 8080)", portRange);
  delete option.envVar;
  return option;
}

function parseName(text: string): string {
  if (isValidName(text)) return text;
  throw new RangeError('Lower-case letters, digits and "-" in between are needed, 63 at most.');
}

function parsePrefix(text: string): string {
  if (isValidName(`${text}x`)) return text;
  throw new RangeError('Lower-case letters, digits and "-" are needed, 62 at most.');
}

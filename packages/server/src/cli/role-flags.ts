import type { Command, Option } from "commander";
import { anyAddress } from "../lib/any-address.ts";
import { flag, numberFlag, portRange, switchFlag } from "./flags.ts";

/** What every role takes that is a process of its own on a cluster. */
export interface RoleFlags {
  namespace?: string;
  kubeconfig?: string;
  host: string;
  metricsPort: number;
  logLevel: string;
}

/** Of the roles that can be as 0.1.9 was. */
export interface CompatFlags {
  compat?: boolean;
}

/** `--compat-0.1.9`, which is `compat` among the flags. */
export function compatFlag(description: string): Option {
  const option = switchFlag("--compat-0.1.9", description);
  option.attributeName = () => "compat"; // Commander's own has the dots
  return option;
}

/** A command that runs a role on a cluster, with the flags that all of them have. */
export function addRoleCommand(program: Command, name: string): Command {
  return addClusterFlags(program.command(name).helpGroup("Commands for Kubernetes:"))
    .addOption(flag("--host <address>", "address to listen on").default(anyAddress()))
    .addOption(
      numberFlag("--metrics-port <port>", "port of /healthz, /readyz and /metrics; 0: any", portRange).default(8081),
    )
    .addOption(
      flag("--log-level <level>", "what to log to stderr").choices(["debug", "info", "warn", "error"]).default("info"),
    );
}

/** Which cluster, and what of it. */
export function addClusterFlags(command: Command): Command {
  return command
    .addOption(
      flag("-n, --namespace <name>", "namespace of all that is Spawner's (default: the Pod's own, or spawner)"),
    )
    .addOption(
      flag("--kubeconfig <file>", "how to reach the cluster (default: the Pod's service account, or KUBECONFIG)"),
    );
}

/** The end of every role's help. */
export const variablesHelp =
  "Every flag can also be given as SPAWNER_<FLAG>: SPAWNER_METRICS_PORT=9100. In a Pod set enableServiceLinks: false, so that\n" +
  "Kubernetes makes no variables of such names of its Services.";

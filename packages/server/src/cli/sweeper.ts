import type { Command } from "commander";
import { flag } from "./flags.ts";
import { addRoleCommand, type RoleFlags, variablesHelp } from "./role-flags.ts";

export interface SweeperFlags extends RoleFlags {
  nodeName?: string;
}

const help = `
Examples:
  spawner sweeper --node-name "$NODE_NAME"     one on each node, each for its own backends: a DaemonSet
  spawner sweeper --namespace play             one for all nodes, from outside of the cluster if it can reach its Pods

SIGTERM: what is being written comes to its end; sessions go on, and the next sweeper takes their idle time from the sidecars.

${variablesHelp}`;

export function addSweeperCommand(program: Command): void {
  addRoleCommand(program, "sweeper")
    .description("Watch the sidecars: say when a backend is ready, and end it when it is idle")
    .addOption(flag("--node-name <name>", "only backends on this node (default: all)"))
    // Whatever it is: where a Service has the name spawner, Kubernetes says tcp://… in SPAWNER_PORT.
    .addOption(flag("--port <port>", "accepted for manifests of 0.1.9; nothing listens there"))
    .addHelpText("after", help)
    .action(async (flags: SweeperFlags) => {
      const { serveSweeper } = await import("./serve-sweeper.ts"); // here: no other command has to load what serves
      await serveSweeper(flags);
    });
}

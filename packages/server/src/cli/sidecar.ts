import type { Command } from "commander";
import { parsedFlag, switchFlag } from "./flags.ts";
import { type SidecarFlags, sidecarFlags, sidecarSwitches } from "./sidecar-flags.ts";

export function addSidecarCommand(program: Command): void {
  const command = program
    .command("sidecar")
    .helpGroup("Commands for Kubernetes:")
    .description("Serve one backend: relay to its program, count who is there, answer the sweeper")
    .action(async (flags: SidecarFlags) => {
      const { serveSidecar } = await import("./serve-sidecar.ts");
      await serveSidecar(flags);
    });
  for (const { name, value, description, default: byDefault, parse } of sidecarFlags) {
    command.addOption(parsedFlag(`--${name} <${value}>`, description, parse).default(byDefault));
  }
  for (const { name, description } of sidecarSwitches) {
    command.addOption(switchFlag(`--${name}`, description).default(false));
  }
}

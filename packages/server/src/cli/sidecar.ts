import type { Command } from "commander";
import { parsedFlag } from "./flags.ts";
import { type SidecarFlags, sidecarFlags } from "./sidecar-flags.ts";

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
}

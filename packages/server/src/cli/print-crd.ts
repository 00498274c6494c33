import type { Command } from "commander";

export function addPrintCrdCommand(program: Command): void {
  program
    .command("print-crd")
    .helpGroup("Commands for Kubernetes:")
    .description("Print the custom resource definition (CRD) to stdout as YAML")
    .action(async () => {
      const [{ stringify }, { buildCrd }] = await Promise.all([import("yaml"), import("../core/crd.ts")]);
      process.stdout.write(stringify(buildCrd(), { lineWidth: 0 }));
    });
}

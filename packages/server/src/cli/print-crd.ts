import type { Command } from "commander";
import { stringify } from "yaml";
import { buildCrd } from "../core/crd.ts";

export function addPrintCrdCommand(program: Command): void {
  program
    .command("print-crd")
    .description("Print the custom resource definition (CRD) to stdout as YAML")
    .action(() => {
      process.stdout.write(stringify(buildCrd(), { lineWidth: 0 }));
    });
}

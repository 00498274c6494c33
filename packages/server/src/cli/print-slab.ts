import type { Command } from "commander";
import { addSlabFlags, type SlabFlags } from "./slab-flags.ts";

const examples = `
Examples:
  spawner print-slab --image example/app:1 --port 3000 | kubectl create -n spawner -f -

The namespace is kubectl's to say: what is printed names none.
Every flag but --port can also be given as SPAWNER_<FLAG>.`;

export function addPrintSlabCommand(program: Command): void {
  addSlabFlags(
    program.command("print-slab").description("Print a spec for a SessionLivedBackend using the given image"),
  )
    .addHelpText("after", examples)
    .action(async (flags: SlabFlags) => {
      const [{ stringify }, { makeSlabManifest }] = await Promise.all([import("yaml"), import("./slab-manifest.ts")]);
      process.stdout.write(`---\n${stringify(makeSlabManifest(flags), { lineWidth: 0 })}`);
    });
}

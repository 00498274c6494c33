import type { Command } from "commander";
import { addSlabFlags, type SlabFlags } from "./slab-flags.ts";

const examples = `
Examples:
  spawner create-slab --image example/app:1 --port 3000
  spawner create-slab --image example/app:1 --name demo -n team

The cluster is that of KUBECONFIG or ~/.kube/config, in its current context.
Every flag but --port can also be given as SPAWNER_<FLAG>.`;

export function addCreateSlabCommand(program: Command): void {
  addSlabFlags(
    program
      .command("create-slab")
      .description("Create a SessionLivedBackend using the given image in a Kubernetes cluster"),
  )
    .addHelpText("after", examples)
    .action(async (flags: SlabFlags) => {
      const [{ createSlab }, { makeSlabManifest }] = await Promise.all([importCluster(), import("./slab-manifest.ts")]);
      const name = await createSlab(makeSlabManifest(flags), { namespace: flags.namespace });
      process.stdout.write(`Created: ${JSON.stringify(name)}\n`);
    });
}

/** The client of Kubernetes is more than half of an installation, so that one can do without it. */
async function importCluster(): Promise<typeof import("./cluster.ts")> {
  try {
    return await import("./cluster.ts");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new Error(
      "create-slab needs @kubernetes/client-node, which was left out here: install it, or use print-slab with kubectl.",
      { cause: error },
    );
  }
}

import type { Command } from "commander";
import { flag, numberFlag, secondsRange } from "./flags.ts";
import { addRoleCommand, type CompatFlags, compatFlag, type RoleFlags, variablesHelp } from "./role-flags.ts";

export interface ControllerFlags extends RoleFlags, CompatFlags {
  sidecar?: string;
  imagePullSecret?: string;
  retainSeconds: number;
  recordsMax: number;
  concurrency: number;
  nodeLostSeconds: number;
}

const help = `
Examples:
  spawner controller                                       in a Pod: its own image is the sidecar's too
  spawner controller --sidecar registry.example.com/spawner:1.2 --namespace play
  spawner controller --image-pull-secret registry          for images of a private registry

Of several, one leads, by the Lease spawner-controller; another one does within 15 s where it is killed, and within 2 s where it
ends by SIGTERM, which lets what is being done come to its end. One that has lost the lead stops, and stands by again.

${variablesHelp}`;

export function addControllerCommand(program: Command): void {
  const count = { least: 1, most: 1_000_000 };
  addRoleCommand(program, "controller")
    .description("Bring Pods to where the resources want them, and record what became of them")
    .addOption(flag("--sidecar <image>", "image of the sidecar (default: that of this process's own Pod)"))
    .addOption(flag("--image-pull-secret <name>", "Secret for pulling the images of session Pods"))
    .addOption(
      numberFlag(
        "--retain-seconds <seconds>",
        "time for which an ended backend can be asked about",
        secondsRange,
      ).default(3_600),
    )
    .addOption(numberFlag("--records-max <count>", "most ended backends that are remembered", count).default(1_000))
    .addOption(numberFlag("--concurrency <count>", "most backends that are worked on at once", count).default(32))
    .addOption(
      numberFlag(
        "--node-lost-seconds <seconds>",
        "time for which a node and a session on it must both be silent until the session is given up",
        secondsRange,
      ).default(60),
    )
    .addOption(compatFlag("take over backends of 0.1.9, and make what its routers, sweepers and API look for"))
    .addHelpText("after", help)
    .action(async (flags: ControllerFlags) => {
      const { serveController } = await import("./serve-controller.ts"); // here: no other command has to load what serves
      await serveController(flags);
    });
}

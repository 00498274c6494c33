import { Command } from "commander";
import manifest from "../../package.json" with { type: "json" };
import { addApiCommand } from "./api.ts";
import { addClientCommands } from "./client-commands.ts";
import { addCompletionCommands } from "./completion.ts";
import { addControllerCommand } from "./controller.ts";
import { addCreateSlabCommand } from "./create-slab.ts";
import { addDevCommand } from "./dev.ts";
import { addDoctorCommand } from "./doctor.ts";
import { exitCodesHelp } from "./exit-codes.ts";
import { addGatewayCommand } from "./gateway.ts";
import { addPrintCrdCommand } from "./print-crd.ts";
import { addPrintSlabCommand } from "./print-slab.ts";
import { reportFailure } from "./report-failure.ts";
import { addServeCommand } from "./serve.ts";
import { addSidecarCommand } from "./sidecar.ts";
import { endWithReader } from "./stdout.ts";
import { addSweeperCommand } from "./sweeper.ts";

const program = new Command("spawner")
  .description("Session-lived backends: a process of its own for each user, document or game.")
  .version(manifest.version)
  .showHelpAfterError("(spawner --help shows what there is)")
  .exitOverride()
  .addHelpText("after", exitCodesHelp);

addDevCommand(program);
addServeCommand(program);
addClientCommands(program);
addControllerCommand(program);
addSweeperCommand(program);
addApiCommand(program);
addGatewayCommand(program);
addSidecarCommand(program);
addDoctorCommand(program);
addPrintCrdCommand(program);
addPrintSlabCommand(program);
addCreateSlabCommand(program);
addCompletionCommands(program);

endWithReader();
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = reportFailure(error);
}

import type { Command } from "commander";
import { addConnectCommand } from "./connect.ts";
import { addLogsCommand } from "./logs.ts";
import { addLsCommand } from "./ls.ts";
import { addSpawnCommand } from "./spawn.ts";
import { addStatusCommand } from "./status.ts";
import { addStopCommand } from "./stop.ts";

/** Those that speak to a Spawner API, wherever it runs. */
export function addClientCommands(program: Command): void {
  addSpawnCommand(program);
  addConnectCommand(program);
  addLsCommand(program);
  addStatusCommand(program);
  addLogsCommand(program);
  addStopCommand(program);
}

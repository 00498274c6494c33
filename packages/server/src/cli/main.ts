#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { addDevCommand } from "./dev.ts";
import { addPrintCrdCommand } from "./print-crd.ts";
import { addSidecarCommand } from "./sidecar.ts";

const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const program = new Command("spawner")
  .description("Session-lived backends: a process of its own for each user, document or game.")
  .version(manifest.version)
  .showHelpAfterError("(spawner --help shows what there is)");

addDevCommand(program);
addSidecarCommand(program);
addPrintCrdCommand(program);

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`spawner: ${(error as Error).message}\n`);
  process.exitCode = 1;
}

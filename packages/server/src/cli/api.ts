import type { Command } from "commander";
import { defaultServicePrefix } from "../core/names.ts";
import { flag, numberFlag, portRange, switchFlag } from "./flags.ts";
import {
  countRange,
  imagesFlag,
  silentConnectionFlag,
  templatesFlag,
  templatesOnlyFlag,
  userBackendsFlag,
} from "./limit-flags.ts";
import { addRoleCommand, type CompatFlags, compatFlag, type RoleFlags, variablesHelp } from "./role-flags.ts";

export interface ApiFlags extends RoleFlags, CompatFlags {
  port: number;
  servicePrefix: string;
  apiServerBase?: string;
  urlTemplate?: string;
  tokensFile?: string;
  allowAnonymous?: true;
  backendsMax?: number;
  userBackendsMax?: number;
  silentConnection?: number;
  images?: string[];
  templates?: string;
  templatesOnly?: true;
}

const help = `
Examples:
  spawner api --tokens-file /etc/spawner/tokens --url-template 'https://play.example.com/{}/'
      whoever is to start and end sessions needs one of the tokens in the file, one a line
  spawner api --allow-anonymous --api-server-base http://spawner-api:8080
      trusts everybody who can reach the port; answers say where to ask for a backend's state
  spawner api --tokens-file /etc/spawner/tokens --templates /etc/spawner/templates --templates-only
      callers choose among the templates, a file each, which are read again when they change

SIGTERM: /readyz says no, and for 5 s all goes on, until nobody is sent here any more. Then what was asked is answered, and
streams come to an orderly end: clients go on with the next one.

${variablesHelp}`;

export function addApiCommand(program: Command): void {
  addRoleCommand(program, "api")
    .description("Serve the HTTP API: start, list, follow and end backends")
    .addOption(numberFlag("-p, --port <port>", "port to serve on; 0: any", portRange).default(8080))
    .addOption(
      flag("--service-prefix <prefix>", "the name of a backend's resource is this and its id").default(
        defaultServicePrefix,
      ),
    )
    .addOption(flag("--api-server-base <url>", "this API's URL for clients: base of readyUrl and statusUrl"))
    .addOption(flag("--url-template <url>", "URL of a backend for clients; {} stands for its id"))
    .addOption(
      flag(
        "--tokens-file <file>",
        "tokens that the API asks for, one a line, behind it what it is for: read,spawn",
      ).conflicts("allowAnonymous"),
    )
    .addOption(switchFlag("--allow-anonymous", "let everybody use the API who can reach it"))
    .addOption(numberFlag("--backends-max <count>", "most sessions at once (default: any number)", countRange))
    .addOption(userBackendsFlag())
    .addOption(silentConnectionFlag())
    .addOption(imagesFlag())
    .addOption(templatesFlag("a Pod's"))
    .addOption(templatesOnlyFlag())
    .addOption(
      compatFlag(
        "take and answer POST /spawn as 0.1.9 did (unknown fields and nulls), and tell the states that it knew",
      ),
    )
    .addHelpText("after", help)
    .action(async (flags: ApiFlags) => {
      const { serveApi } = await import("./serve-api.ts"); // here: no other command has to load what serves
      await serveApi(flags);
    });
}

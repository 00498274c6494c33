import type { Command } from "commander";
import { defaultServicePrefix, reservedIds } from "../core/names.ts";
import { parseOrigin } from "./flag-values.ts";
import { flag, numberFlag, parsedFlag, portRange, secondsRange, switchFlag } from "./flags.ts";
import { addGatewayRelayFlags, type GatewayRelayFlags } from "./gateway-flags.ts";
import { addRoleCommand, type CompatFlags, compatFlag, type RoleFlags, variablesHelp } from "./role-flags.ts";

export interface GatewayFlags extends RoleFlags, CompatFlags, GatewayRelayFlags {
  port: number;
  servicePrefix: string;
  pathPrefix?: string;
  apiUrl?: string;
  publicUrl?: string;
  publicApiOnly?: boolean;
  parkedMax: number;
  drainSeconds: number;
}

const help = `
Examples:
  spawner gateway --api-url http://spawner-api:8080
      /<id>/… to the backends, /api/… to the api's Service
  spawner gateway --public-url https://play.example.com
      behind a proxy that ends TLS and passes the Host field on; without an api
  spawner gateway --public-url https://play.example.com --host-domain play.example.com
      https://<id>.play.example.com/… to the backends too; the api's --url-template is 'https://{}.play.example.com/' then

SIGTERM: /readyz says no, and for 5 s all goes on, until nobody is sent here any more. Then no connection is taken, what is
idle is closed, and requests and WebSockets have --drain-seconds to come to their end; what is left is closed over 30 s. A
second signal ends all at once. terminationGracePeriodSeconds has to be --drain-seconds and 45 more.

${variablesHelp}`;

export function addGatewayCommand(program: Command): void {
  const command = addRoleCommand(program, "gateway")
    .description("Send the requests of users to their backends")
    .addOption(numberFlag("-p, --port <port>", "port to serve on; 0: any", portRange).default(8080))
    .addOption(
      flag("--service-prefix <prefix>", "the name of a backend's resource is this and its id").default(
        defaultServicePrefix,
      ),
    )
    .addOption(parsedFlag("--path-prefix <path>", "backends are below it: /p/<id>/ (default: /<id>/)", parsePathPrefix))
    .addOption(compatFlag("backends are at /p/<id>/, as 0.1.9 had its routes, unless --path-prefix says otherwise"))
    .addOption(parsedFlag("--api-url <url>", "where /api/… leads (default: nowhere)", parseOrigin))
    .addOption(switchFlag("--public-api-only", "/api/… has the public routes alone: the state of a session, by its id"))
    .addOption(parsedFlag("--public-url <url>", "what clients reach this gateway by (default: http)", parseOrigin))
    .addOption(
      numberFlag("--parked-max <count>", "most requests that wait for backends to start", {
        least: 1,
        most: 1_000_000,
      }).default(1_000),
    )
    .addOption(
      numberFlag("--drain-seconds <seconds>", "time that connections have to end at SIGTERM", secondsRange).default(
        300,
      ),
    );
  addGatewayRelayFlags(command)
    .addHelpText("after", help)
    .action(async (flags: GatewayFlags) => {
      const { serveGateway } = await import("./serve-gateway.ts"); // here: no other command has to load what serves
      await serveGateway(flags);
    });
}

/** Of a path that is one prefix, or nothing. */
function parsePathPrefix(text: string): string {
  const path = text.replace(/\/$/, "");
  if (/^(\/[A-Za-z0-9._~-]+)*$/.test(path) && !reservedIds.has(path.slice(1).split("/")[0] ?? "")) return path;
  throw new RangeError("A path such as /p is needed, and none of the gateway's own.");
}

import { SpawnerError } from "../core/errors.ts";
import type { BusyHost } from "../core/relay-host.ts";
import { answerBusy, busyRoute } from "./busy-route.ts";
import { bearerTokenSha256 } from "./http-messages.ts";
import { type Address, openSmallServer, type SmallServer } from "./small-server.ts";

/** By the SHA-256 of a program's token, in hexadecimal: the relay host that it may ask. */
export type ProgramHosts = ReadonlyMap<string, BusyHost>;

/** `PUT /busy` for the programs of one machine, each of which knows a token of its own. */
export function openProgramServer(address: Address, hosts: ProgramHosts): Promise<SmallServer> {
  return openSmallServer(address, async (request, response) => {
    const route = `${request.method} ${request.url}`;
    if (route !== busyRoute) {
      throw new SpawnerError("not_found", `There is only ${busyRoute} here; ${JSON.stringify(route)} was asked for.`);
    }
    const host = hosts.get(bearerTokenSha256(request).toString("hex"));
    if (host === undefined) {
      throw new SpawnerError("unauthorized", `${busyRoute} needs the bearer token of SPAWNER_CONTROL_TOKEN.`);
    }
    await answerBusy(request, response, host);
  });
}

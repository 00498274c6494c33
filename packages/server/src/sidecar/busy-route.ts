import type { IncomingMessage, ServerResponse } from "node:http";
import { SpawnerError } from "../core/errors.ts";
import type { BusyHost } from "../core/relay-host.ts";
import { show } from "../core/shown-value.ts";
import { readBody, sendJson } from "./http-messages.ts";

export const busyRoute = "PUT /busy";

/** One day: a program that is at work for longer says so again. */
const longestBusySeconds = 86_400;

/** Answers `PUT /busy {ttlSeconds}` of a program that may ask. Rejects with a SpawnerError. */
export async function answerBusy(request: IncomingMessage, response: ServerResponse, host: BusyHost): Promise<void> {
  const { ttlSeconds, ...unknown } = await readBody(request);
  const [name] = Object.keys(unknown);
  if (name !== undefined) {
    throw new SpawnerError("invalid_request", `unknown field ${show(name)}; ttlSeconds is the only one.`);
  }
  if (typeof ttlSeconds !== "number" || !(ttlSeconds >= 0 && ttlSeconds <= longestBusySeconds)) {
    throw new SpawnerError(
      "invalid_request",
      `ttlSeconds must be a number of seconds from 0 to ${longestBusySeconds}; ${show(ttlSeconds)} was given.`,
    );
  }
  const answer = host.setBusy(ttlSeconds);
  sendJson(response, answer.accepted ? 200 : 409, answer);
}

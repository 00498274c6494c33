import type { FastifyRequest } from "fastify";
import { SpawnerError } from "../core/errors.ts";

/** What Node's parser lets pass and RFC 9112 does not: it would mean one thing here and another to a proxy in front. */
export function refuseAmbiguousMessages({ raw }: FastifyRequest): void {
  const { httpVersion, rawHeaders, headers } = raw;
  if (httpVersion !== "1.1" && httpVersion !== "1.0") {
    throw new SpawnerError("version_not_supported", `HTTP/1.1 is spoken here; HTTP/${httpVersion} was given.`);
  }
  // RFC 9112 3.2
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) if (isHost(rawHeaders[index])) hosts += 1;
  if (hosts > 1 || (hosts === 0 && httpVersion === "1.1")) {
    throw new SpawnerError(
      "invalid_request",
      `A request has one Host field; ${hosts === 0 ? "none was" : `${hosts} were`} given.`,
    );
  }
  // RFC 9112 6.1: the parser undoes `chunked` and leaves any other coding in the body.
  const coding = headers["transfer-encoding"] ?? "chunked";
  if (coding.toLowerCase() !== "chunked") {
    throw new SpawnerError(
      "not_implemented",
      `The transfer coding must be chunked; ${JSON.stringify(coding.slice(0, 80))} was given.`,
    );
  }
}

function isHost(name = ""): boolean {
  return name.length === 4 && name.toLowerCase() === "host";
}

/** A query that cannot be decoded would be read as it stands, as what nobody has meant. */
export function refuseBadQueries({ url }: FastifyRequest): void {
  if (!url.includes("?")) return;
  const query = url.slice(url.indexOf("?") + 1);
  try {
    decodeURIComponent(query);
  } catch (cause) {
    const shown = JSON.stringify(query.slice(0, 120));
    throw new SpawnerError("invalid_request", `The query must be UTF-8, percent-encoded; ${shown} was given.`, {
      cause,
    });
  }
}

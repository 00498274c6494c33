import type { ConnectRequest, RevokeRequest } from "@spawner/client";
import type { ConnectionTokenVerifier } from "../core/connection-token.ts";
import { SpawnerError } from "../core/errors.ts";
import type { Backend } from "../core/resource.ts";
import { isIdentityOfName } from "../core/workload.ts";
import type { Connect } from "./connect.ts";
import { findBackend } from "./find-backend.ts";
import type { InFlight } from "./in-flight.ts";
import { makeRevoke } from "./revoke.ts";
import type { RouteDeps } from "./route-deps.ts";
import { connectRequestSchema, idParamsSchema, revokeRequestSchema } from "./schemas.ts";

type RevokeRoute = { Params: { id: string }; Body: RevokeRequest };

export interface ConnectRouteDeps extends RouteDeps {
  readonly connect: Connect;
  readonly inFlight: InFlight;
  readonly verifier: ConnectionTokenVerifier;
}

/** What an application asks for its users: to let them in, and to let them in no more. */
export function addConnectRoutes(deps: ConnectRouteDeps): void {
  const { app, connect, inFlight, verifier } = deps;
  const revoke = makeRevoke(deps);

  app.route<{ Body: ConnectRequest }>({
    method: "POST",
    url: "/connect",
    config: {
      role: "spawn",
      errors: ["already_exists", "conflict", "too_many_backends", "backend_ended", "unavailable"],
    },
    schema: {
      operationId: "connect",
      summary: "Get the one live backend of a key, which is started where there is none, and a token for one user",
      body: connectRequestSchema,
      response: { 200: { $ref: "ConnectResponse#" } },
    },
    handler: async ({ body }, reply) => {
      try {
        return await connect(body, { signal: inFlight.signalOf(reply) });
      } catch (error) {
        if (!reply.raw.destroyed) throw error;
        reply.hijack(); // the client has left: there is nobody to be answered, and no error of ours
        return reply;
      }
    },
  });

  app.route<RevokeRoute>({
    method: "POST",
    url: "/backend/:id/revoke",
    config: { role: "spawn", errors: ["conflict", "unavailable"] },
    schema: {
      operationId: "revokeConnections",
      summary: "End the access of one user, or of one token, at every gateway: open connections are closed",
      params: idParamsSchema,
      body: revokeRequestSchema,
      response: { 200: { type: "object", description: "Nobody gets in by it any more." } },
    },
    handler: async ({ params, body }) => {
      const backend = await findBackend(deps, params.id);
      const { user, token = "" } = body;
      await revoke(backend, user === undefined ? { tokenId: idOfToken(token, backend) } : { user });
      return {};
    },
  });

  /** One that is over already, or of an earlier generation, lets nobody in: taking it back is no error. */
  function idOfToken(text: string, backend: Backend): string {
    const verdict = verifier.verify(text);
    if (verdict.kind !== "invalid" && isIdentityOfName(verdict.token.backend, backend)) return verdict.token.id;
    throw new SpawnerError(
      "invalid_request",
      "token must be a connection token of this backend; another text was given.",
    );
  }
}

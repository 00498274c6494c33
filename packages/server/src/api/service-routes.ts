import { Type } from "typebox";
import { SpawnerError } from "../core/errors.ts";
import type { Room } from "./room.ts";
import { errorBodySchema } from "./schemas.ts";

/** What machines ask of the service itself. */
export function addServiceRoutes({ app, hub }: Room): void {
  const ok = Type.Object({}, { description: "Yes." });
  app.get("/healthz", { schema: { summary: "Whether it runs", response: { 200: ok } } }, async () => ({}));
  app.get(
    "/readyz",
    { schema: { summary: "Whether it knows the backends", response: { 200: ok, 503: errorBodySchema } } },
    async () => {
      if (hub.hasSynced) return {};
      throw new SpawnerError("unavailable", "The backends have not been read yet.");
    },
  );
  app.get("/openapi.json", { schema: { hide: true } }, async () => app.swagger());
}

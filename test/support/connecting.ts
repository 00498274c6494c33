import type { ConnectRequest, ConnectResponse } from "@spawner/client";
import { expect } from "vitest";
import { startEmbedded } from "./embedded.ts";

/** A whole Spawner in this process, as an application asks it for its users. */
export async function startConnecting(overrides: Parameters<typeof startEmbedded>[0] = {}) {
  const spawner = await startEmbedded(overrides);
  const post = (path: string, body: object) =>
    fetch(`${spawner.url}/api${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  return {
    ...spawner,
    post,
    connect: async (body: ConnectRequest = { key: "doc" }) => {
      const response = await post("/connect", body);
      expect(response.status, await response.clone().text()).toBe(200);
      return (await response.json()) as ConnectResponse & { url: string };
    },
  };
}

/** A URL that `connect` gave, with `path` behind the id. */
export const at = (url: string, path: string) => url.replace("/?", `${path}?`);

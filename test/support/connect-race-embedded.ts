import type { ConnectRequest, ConnectResponse } from "@spawner/client";
import { expect } from "vitest";
import type { Racers } from "./connect-race.ts";
import { startEmbedded } from "./embedded.ts";

/** Both sides of a race against a whole Spawner in this process, whose backends end as soon as nobody is there. */
export async function startRacers(): Promise<Racers> {
  const { url, stop } = await startEmbedded({ gracePeriodSeconds: 0 });
  const connect = async (request: ConnectRequest) => {
    const response = await fetch(`${url}/api/connect`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ terminationGracePeriodSeconds: 0, ...request }),
    });
    expect(response.status, await response.clone().text()).toBe(200);
    return (await response.json()) as ConnectResponse & { url: string };
  };
  return { connect, stop, spreadMs: 60 };
}

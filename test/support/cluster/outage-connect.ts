import type { ConnectResponse } from "@spawner/client";
import { expect } from "vitest";
import type { ApiProxy } from "./api-proxy.ts";
import { connectUser, enter, expectTokenWorks, keepUsingToken, open, post } from "./connected.ts";
import { eventually } from "./eventually.ts";
import { spawnRequestFor } from "./install.ts";
import type { RoleProcess } from "./role-process.ts";
import type { Stage } from "./stage.ts";

interface ConnectPlace {
  readonly stage: Stage;
  readonly gateway: RoleProcess;
  readonly reached: { readonly proxy?: ApiProxy };
}

/** 2 s, and what a machine takes that has other things to do. */
const refusedWithinMs = 3_500;

/** What users of `connect` see of an outage that begins when they are in. */
export async function openConnected({ stage, gateway, reached }: ConnectPlace) {
  const api = await stage.start("api", { ...reached, flags: ["--url-template", `${gateway.url}/{}/`] });
  const request = (user: string) => ({ key: "doc", user, gracePeriodSeconds: 600 });
  const connect = (user: string) => connectUser(api.url, request(user));
  const [ada, eve] = [await connect("ada"), await connect("eve")];
  const users = [await eventually(() => enter(gateway, ada))]; // once the gateway has heard of the keys
  let renewed: { readonly api: RoleProcess; readonly gateway: RoleProcess } | undefined;

  return {
    users,
    /** From the moment at which the API server is away, which nobody has met yet, until this moment (performance.now()). */
    async useMeanwhile({ untilMs }: { untilMs: number }): Promise<void> {
      const refused = [
        await expectRefused({
          "connect to a new key": () => connectRaw(api, { key: "another" }),
          "connect without a key": () => connectRaw(api, {}),
          "the state of an unknown id": () => fetch(`${api.url}/backend/unknown/status`),
          "the end of an unknown id": () => fetch(`${api.url}/backend/unknown`, { method: "DELETE" }),
          "all backends": () => fetch(`${api.url}/backends`),
          "an unknown id at the gateway": () => open(`${gateway.url}/unknown/`),
        }),
      ];
      await expectTokenWorks(gateway, ada);
      const again = await connectRaw(api, request("bob"));
      expect([again.status, again.ms < refusedWithinMs], again.body).toEqual([200, true]);
      const bob = JSON.parse(again.body) as ConnectResponse;
      expect(bob).toMatchObject({ generation: ada.generation, spawned: false });
      users.push(await enter(gateway, bob));

      const [freshGateway, freshApi] = await Promise.all([
        stage.start("gateway", reached),
        stage.start("api", reached),
      ]);
      renewed = { gateway: freshGateway, api: freshApi };
      refused.push(
        await expectRefused({
          "a known token at a new gateway": () =>
            open(`${freshGateway.url}/${ada.backend}/?_spawner_token=${ada.token}`),
          "an unknown id at a new gateway": () => open(`${freshGateway.url}/unknown/`),
          "whether a new gateway is ready": () => open(`${freshGateway.healthUrl}/readyz`),
          "connect at a new api": () => connectRaw(freshApi, request("cy")),
          "whether a new api is ready": () => open(`${freshApi.healthUrl}/readyz`),
          // Last: they may have been done or not, and whoever connects is refused until that is known.
          "to take back access": () => post(api.url, `/backend/${ada.backend}/revoke`, { user: "nobody" }),
          "to take back more": () => post(api.url, `/backend/${ada.backend}/revoke`, { user: "somebody" }),
        }),
      );
      console.log(
        `while the API server was away all that needs it was refused, at most after ${Math.max(...refused)} ms`,
      );
      await keepUsingToken(gateway, ada, { untilMs });
    },
    /** When it is back. */
    async useAfterwards(): Promise<void> {
      const now = renewed ?? expect.unreachable("useMeanwhile comes first");
      await eventually(() => expectTokenWorks(now.gateway, ada));
      const cy = await connectUser(now.api.url, request("cy"));
      expect(cy).toMatchObject({ generation: ada.generation, spawned: false });
      for (const each of [gateway, now.gateway]) await expectTokenWorks(each, cy);
      const ofEve = [await enter(gateway, eve), await enter(now.gateway, eve)];
      expect((await post(api.url, `/backend/${eve.backend}/revoke`, { user: "eve" })).status).toBe(200);
      await eventually(() => expect(ofEve.filter(({ closed }) => closed === undefined)).toEqual([]), 10_000);
      await expectTokenWorks(gateway, ada);
    },
  };

  async function connectRaw({ url }: RoleProcess, body: object) {
    const beganMs = performance.now();
    const response = await post(url, "/connect", spawnRequestFor("echo-program.mjs", body));
    return { status: response.status, body: await response.text(), ms: performance.now() - beganMs };
  }
}

/** All at once, so that nobody profits by another's having waited. Resolves to how long the last one took. */
async function expectRefused(asked: Record<string, () => Promise<{ readonly status: number }>>): Promise<number> {
  const took = Object.entries(asked).map(async ([what, ask]) => {
    const beganMs = performance.now();
    const { status } = await ask();
    const ms = Math.round(performance.now() - beganMs);
    expect([status, ms < refusedWithinMs], `${what}: ${status} after ${ms} ms`).toEqual([503, true]);
    return ms;
  });
  return Math.max(...(await Promise.all(took)));
}

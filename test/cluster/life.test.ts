import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { startController, startGateway, startSweeper } from "../support/cluster/roles.ts";
import { createSession, readSession, sessionSpec, untilState } from "../support/cluster/session.ts";
import { openStage } from "../support/cluster/stage.ts";

test("a busy program and a connection with data keep their Pods, one that is only pinged does not", async () => {
  const { client, namespace, defer } = await openStage();
  for (const start of [startController, startSweeper]) defer(await start({ namespace }));
  const { url } = defer(await startGateway({ namespace }));
  const times = { gracePeriodSeconds: 1, firstClientSeconds: 60, silentConnectionSeconds: 2 };
  for (const name of ["busy", "pinged", "used"]) await createSession(client, name, sessionSpec("echoes", times));
  await Promise.all(["busy", "pinged", "used"].map((name) => untilState(client, name, { state: "Ready" })));

  const open = async (name: string) => {
    const socket = new WebSocket(`${url.replace("http", "ws")}/${name}/`);
    onTestFinished(() => socket.terminate());
    await once(socket, "open");
    return socket;
  };
  const every = (act: () => void) => {
    const timer = setInterval(act, 300);
    onTestFinished(() => clearInterval(timer));
  };
  const [pinged, used] = [await open("pinged"), await open("used")];
  const openedAt = Date.now();
  every(() => pinged.readyState === WebSocket.OPEN && pinged.ping());
  every(() => used.send("still here"));
  const closed = once(pinged, "close");
  expect(await (await fetch(`${url}/busy/busy?seconds=8`)).text()).toBe("200");
  const saidAt = Date.now();

  const swept = await untilState(client, "pinged", { state: "Swept" });
  expect(swept.status.reason).toBe("Idle");
  expect(Date.parse(swept.status.transitions?.Swept?.time ?? "") - openedAt).toBeGreaterThan(2_500);
  await closed;
  const left = await untilState(client, "busy", { state: "Swept" });
  expect(left.status.reason).toBe("Idle");
  expect(Date.parse(left.status.transitions?.Swept?.time ?? "") - saidAt).toBeGreaterThan(8_500);
  expect((await readSession(client, "used"))?.status.phase).toBe("Ready");

  // What a Pod tells its own containers, the API server tells others as well: it is good for nothing from elsewhere.
  const { podIP = "", podUID = "" } = (await readSession(client, "used"))?.status ?? {};
  const headers = { authorization: `Bearer ${podUID}` };
  const answer = await fetch(`http://${podIP}:9091/busy`, { method: "PUT", headers, body: '{"ttlSeconds":60}' });
  expect([answer.status, await answer.json()]).toMatchObject([401, { code: "unauthorized" }]);
}, 90_000);

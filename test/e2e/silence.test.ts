import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { startEmbedded } from "../support/embedded.ts";

test("a session is swept though a WebSocket is open that is only pinged, where silence is limited; its end closes that", async () => {
  const spawner = await startEmbedded({ gracePeriodSeconds: 1, silentConnectionSeconds: 1 });
  const open = async (request: { silentConnectionSeconds?: number } = {}) => {
    const { name, url } = await spawner.spawn(request);
    const socket = new WebSocket(url.replace("http", "ws"));
    onTestFinished(() => socket.terminate());
    await once(socket, "open");
    return { name, socket, openedAt: Date.now() };
  };
  const [pinged, unlimited] = await Promise.all([open(), open({ silentConnectionSeconds: 0 })]);
  const timer = setInterval(() => pinged.socket.readyState === WebSocket.OPEN && pinged.socket.ping(), 200);
  onTestFinished(() => clearInterval(timer));
  const closed = once(pinged.socket, "close");

  const swept = await spawner.until(pinged.name, "Swept");
  expect(swept.reason).toBe("Idle");
  expect(Date.parse(swept.time) - pinged.openedAt).toBeGreaterThan(1_900);
  await closed;
  expect((await spawner.backend(unlimited.name)).state).toBe("Ready");
});

import { expect, onTestFinished, test, vi } from "vitest";
import { deadlines } from "../core/deadlines.ts";
import { FakeClock } from "../lib/fake-clock.ts";
import { HttpRelayHost } from "./http-relay-host.ts";
import { answer, type Handler, ScriptedServer } from "./kubernetes/fixtures/scripted-server.ts";

async function open(handler: Handler) {
  const server = await ScriptedServer.open();
  server.handler = handler;
  const clock = new FakeClock();
  const host = new HttpRelayHost({ controlUrl: server.url, token: "secret" }, { clock });
  const heard: string[] = [];
  const watch = () =>
    host.watch({
      onState: ({ liveConnections }) => heard.push(`live ${liveConnections}`),
      onLost: ({ message }) => heard.push(`lost: ${message}`),
    });
  onTestFinished(() => vi.waitFor(() => expect(server.connections).toBe(0)));
  return { server, clock, host, heard, watch };
}

const told = (heard: string[], expected: unknown[]) => vi.waitFor(() => expect(heard).toEqual(expected));
const live = (connections: number) => `data: {"ready": true, "live_connections": ${connections}}\n\n`;

test("its states are told as they come, to whoever shows the token, until nobody watches", async () => {
  const { heard, watch } = await open(({ headers, url }, response) => {
    if (headers.authorization !== "Bearer secret" || url !== "/_events") return answer(response, {}, 401);
    response.writeHead(200).write(live(1) + live(2).slice(0, 9));
    setImmediate(() => response.write(live(2).slice(9)));
  });
  const stop = watch();
  await told(heard, ["live 1", "live 2"]);
  stop();
});

test("a stream that says nothing, not even a heartbeat, is lost, and its connection given up", async () => {
  const { server, clock, heard, watch } = await open((_, response) => {
    response.writeHead(200).write(live(1));
  });
  watch();
  await told(heard, ["live 1"]);
  clock.advance(deadlines.streamSilenceMs - 1);
  expect(server.connections).toBe(1);
  clock.advance(1);
  await told(heard, ["live 1", "lost: nothing was heard for 25 s"]);
});

test.each<[string, Handler, RegExp]>([
  ["refuses", (_, response) => answer(response, { message: "no" }, 401), /answered 401: .*no/],
  ["ends its stream", (_, response) => void response.writeHead(200).end(), /ended its stream/],
  ["resets the connection", ({ socket }) => void socket.resetAndDestroy(), /ECONNRESET|hang up/],
])("a host that %s is lost", async (_, handler, message) => {
  const { heard, watch } = await open(handler);
  watch();
  await told(heard, [expect.stringMatching(message)]);
});

test("what it is asked it answers, 409 too; anything else makes it unavailable", async () => {
  const { server, host } = await open((_, response) => answer(response, { held: true }));
  expect(await host.hold(5)).toEqual({ held: true });
  server.handler = (_, response) => answer(response, { sealed: false, msUntilIdle: 7 }, 409);
  expect(await host.seal({ leaseMs: 1_500 })).toEqual({ sealed: false, msUntilIdle: 7 });
  server.handler = (_, response) => answer(response, { message: "another token" }, 401);
  await expect(host.hold(5)).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining("401") });
  server.handler = (_, response) => void response.end("nonsense");
  await expect(host.hold(5)).rejects.toMatchObject({ code: "unavailable" });
  await server.stop();
  await expect(host.hold(5)).rejects.toMatchObject({ code: "unavailable" });
  await server.start();
});

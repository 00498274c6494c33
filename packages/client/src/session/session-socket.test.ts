import { once } from "node:events";
import { expect, test, vi } from "vitest";
import { WebSocket as NodeSocket, type WebSocket as ServerSocket } from "ws";
import { countListeners } from "../fixture.ts";
import { eventually, hurriedSession, startGateway } from "./fixture.ts";

async function setUp(options: Partial<Parameters<typeof hurriedSession>[0]> = {}) {
  const gateway = await startGateway();
  const connect = vi.fn(async () => gateway.connection());
  const session = hurriedSession({ connect, ...options });
  const heard: unknown[] = [];
  return { gateway, connect, session, heard };
}

const serverSockets = (gateway: Awaited<ReturnType<typeof startGateway>>) =>
  [...gateway.sockets.clients] as ServerSocket[];

test("it is opened when the backend is ready, and passes text and bytes", async () => {
  const { gateway, session, heard } = await setUp();
  const socket = session.webSocket("/socket?a=1", { onMessage: (data) => heard.push(data) });
  gateway.tell("Running");
  expect([socket.isOpen, socket.send("too early")]).toEqual([false, false]);
  gateway.tell("Ready");
  await eventually(() => expect(socket.isOpen).toBe(true));
  expect(gateway.requestsOfProgram()).toEqual(["/b1/socket?a=1&_spawner_token=g1-t1"]);
  expect(socket.send("text")).toBe(true);
  socket.send(new Uint8Array([1, 2]));
  await eventually(() => expect(heard).toEqual(["text", new Uint8Array([1, 2]).buffer]));
});

test("it is opened again when it was cut, and tells both", async () => {
  const { gateway, session, heard, connect } = await setUp();
  gateway.tell("Ready");
  const socket = session.webSocket("socket", {
    onOpen: () => heard.push("open"),
    onLost: ({ code }) => heard.push(code),
    onClosed: () => expect.unreachable(),
  });
  for (let round = 0; round < 3; round++) {
    await eventually(() => expect(heard).toHaveLength(2 * round + 1));
    for (const each of serverSockets(gateway)) each.terminate();
    await eventually(() => expect(heard.length).toBeGreaterThan(2 * round + 1));
  }
  await eventually(() => expect(heard).toEqual(["open", 1006, "open", 1006, "open", 1006, "open"]));
  expect(socket.isOpen).toBe(true);
  expect(connect).toHaveBeenCalledTimes(1);
});

test("it comes back after the gateway was away for a while", async () => {
  const { gateway, session, connect } = await setUp();
  gateway.tell("Ready");
  const socket = session.webSocket("socket");
  await eventually(() => expect(socket.isOpen).toBe(true));
  await gateway.stop();
  await eventually(() => expect(socket.isOpen).toBe(false));
  await eventually(() => expect(connect.mock.calls.length).toBeGreaterThan(2)); // it was tried in vain
  const restarted = await startGateway({ listenPort: gateway.port });
  restarted.tell("Ready");
  connect.mockImplementation(async () => restarted.connection());
  for (const token of gateway.goodTokens) restarted.goodTokens.add(token);
  await eventually(() => expect(socket.isOpen).toBe(true));
});

test("while the application is away, it is opened again by what was given before", async () => {
  const { gateway, session, connect } = await setUp();
  gateway.tell("Ready");
  const socket = session.webSocket("socket");
  await eventually(() => expect(socket.isOpen).toBe(true));
  connect.mockRejectedValue(new TypeError("Failed to fetch"));
  await gateway.stop();
  await eventually(() => expect(connect.mock.calls.length).toBeGreaterThan(2)); // it was tried in vain before
  const restarted = await startGateway({ listenPort: gateway.port });
  restarted.goodTokens.add("g1-t1");
  await eventually(() => expect(socket.isOpen).toBe(true));
  expect(restarted.requestsOfProgram()).toContain("/b1/socket?_spawner_token=g1-t1");
});

test.each([
  [1000, "done", false],
  [1001, "going away", true],
  [1008, "no message of ours", false],
  [1012, "restart", true],
  [4000, "of the program", false],
])("closed with %d (%s) it is opened again: %s", async (code, reason, isReopened) => {
  const { gateway, session } = await setUp();
  gateway.tell("Ready");
  const onClosed = vi.fn();
  const onLost = vi.fn();
  const socket = session.webSocket("socket", { onClosed, onLost });
  await eventually(() => expect(socket.isOpen).toBe(true));
  for (const each of serverSockets(gateway)) each.close(code, reason);
  await eventually(() => expect(isReopened ? onLost : onClosed).toHaveBeenCalledWith({ code, reason }));
  if (isReopened) await eventually(() => expect(socket.isOpen).toBe(true));
  else expect([socket.isOpen, onLost.mock.calls]).toEqual([false, []]);
  expect(gateway.requestsOfProgram()).toHaveLength(isReopened ? 2 : 1);
});

test("who can open nothing asks for another token; who is refused is told so", async () => {
  const { gateway, session, connect } = await setUp();
  gateway.tell("Ready");
  const socket = session.webSocket("socket");
  await eventually(() => expect(socket.isOpen).toBe(true));
  gateway.goodTokens.clear(); // as a revocation does
  for (const each of serverSockets(gateway)) each.terminate();
  await eventually(() => expect(connect).toHaveBeenCalledTimes(2));
  await eventually(() => expect(socket.isOpen).toBe(true));

  connect.mockImplementation(async () => null as never);
  gateway.goodTokens.clear();
  for (const each of serverSockets(gateway)) each.terminate();
  await expect(session.fetch("notes")).rejects.toMatchObject({ code: "unauthorized" });
  expect(socket.isOpen).toBe(false);
});

test("an open one outlives its token", async () => {
  const gateway = await startGateway();
  gateway.tell("Ready");
  const heard: unknown[] = [];
  const connection = gateway.connection(200);
  const session = hurriedSession({ connection, connect: async () => gateway.connection() });
  const onLost = vi.fn();
  const socket = session.webSocket("socket", { onMessage: (data) => heard.push(data), onLost });
  await eventually(() => expect(socket.isOpen).toBe(true));
  await eventually(() => expect(Date.now()).toBeGreaterThan(Date.parse(connection.tokenExpiresAt)));
  gateway.goodTokens.clear();
  socket.send("still here");
  await eventually(() => expect(heard).toEqual(["still here"]));
  expect(onLost).not.toHaveBeenCalled();
  expect(gateway.requestsOfProgram()).toHaveLength(1);
});

test("errors that `ws` tells of a connection, opened in vain or left before it was open, are caught", async () => {
  const errors: unknown[] = [];
  class Observed extends NodeSocket {
    override emit(event: string | symbol, ...args: unknown[]): boolean {
      // One that nobody listens to ends the process.
      if (event === "error") errors.push(this.listenerCount("error") > 0);
      return event === "error" && this.listenerCount("error") === 0 ? false : super.emit(event, ...args);
    }
  }
  const { gateway, session } = await setUp({ WebSocket: Observed as unknown as typeof globalThis.WebSocket });
  gateway.tell("Ready");
  await session.ready();
  gateway.goodTokens.clear(); // until it has asked for another
  const refused = session.webSocket("socket");
  await eventually(() => expect(refused.isOpen).toBe(true));
  expect(errors).toEqual([true]);

  const left = session.webSocket("socket");
  await new Promise(setImmediate); // it has begun to connect
  left.close();
  await eventually(() => expect(errors).toEqual([true, true]));
});

test("the end of the session closes it", async () => {
  const ended = Promise.withResolvers();
  const { gateway, session } = await setUp({ onEnded: ended.resolve });
  gateway.tell("Ready");
  const socket = session.webSocket("socket", { onClosed: () => expect.unreachable() });
  await eventually(() => expect(socket.isOpen).toBe(true));
  const [onServer] = serverSockets(gateway);
  const closed = once(onServer ?? expect.unreachable(), "close");
  gateway.tell("Swept", { reason: "Requested" });
  expect(await ended.promise).toMatchObject({ reason: "Requested" });
  await closed;
  expect(socket.isOpen).toBe(false);
  expect(session.webSocket("socket").isOpen).toBe(false);
});

test("who closes it is done with it: at once, while it is opened, and before", async () => {
  const { gateway, session } = await setUp();
  const leaving = new AbortController();
  const listeners = countListeners(leaving.signal);
  const early = session.webSocket("early");
  early.close();
  const bySignal = session.webSocket("signal", { signal: leaving.signal });
  gateway.tell("Ready");
  const late = session.webSocket("late", { onClosed: () => expect.unreachable() });
  await eventually(() => expect([bySignal.isOpen, late.isOpen]).toEqual([true, true]));
  expect(() => late.close(1)).toThrow();
  expect(late.isOpen).toBe(true);
  late.close(4001, "done");
  leaving.abort();
  expect([early, bySignal, late].map(({ isOpen, send }) => isOpen || send("x"))).toEqual([false, false, false]);
  await eventually(() => expect(serverSockets(gateway)).toEqual([]));
  expect(listeners()).toBe(0);
  expect(gateway.requestsOfProgram().map((url) => url?.split("?")[0])).toEqual(["/b1/signal", "/b1/late"]);
});

test("one that cannot be opened for as long as retry allows is over", async () => {
  const { gateway, session } = await setUp({ retry: { firstMs: 5, mostMs: 20, giveUpMs: 150 } });
  gateway.tell("Ready");
  await session.ready();
  gateway.sockets.on("connection", (socket) => socket.terminate());
  const onClosed = vi.fn();
  session.webSocket("socket", { onClosed });
  await eventually(() => expect(onClosed).toHaveBeenCalledTimes(1));
});

import { expect, onTestFinished, test, vi } from "vitest";
import { SpawnerClientError } from "../errors.ts";
import { countListeners } from "../fixture.ts";
import { eventually, hurriedSession, movableClocks, startGateway } from "./fixture.ts";
import type { SessionEnd } from "./session-options.ts";

async function setUp(options: Partial<Parameters<typeof hurriedSession>[0]> = {}) {
  const gateway = await startGateway();
  const connect = vi.fn(async () => gateway.connection());
  const ends: SessionEnd[] = [];
  const states: string[] = [];
  const session = hurriedSession({
    connect,
    onEnded: (end) => ends.push(end),
    onState: ({ state }) => states.push(state),
    ...options,
  });
  return { gateway, connect, session, ends, states };
}

const textOf = async (response: Promise<Response>) => {
  const { status } = await response;
  return { status, body: (await (await response).json()) as { url: string; authorization: string } };
};

test("a request waits until the backend is ready, and is of this user and below the session's URL", async () => {
  const { gateway, session, states } = await setUp();
  gateway.tell("Running");
  const answer = textOf(session.fetch("/notes?a=1"));
  await eventually(() => expect(states).toEqual(["Running"]));
  expect(gateway.requestsOfProgram()).toEqual([]);
  gateway.tell("Ready");
  expect(await answer).toEqual({ status: 200, body: { url: "/b1/notes?a=1", authorization: "Bearer g1-t1" } });
  expect(session.status).toMatchObject({ state: "Ready" });
});

test("one that is asked to end is told to be stopping, is used until it has ended, and then told its reason once", async () => {
  const { gateway, session, states, ends } = await setUp();
  gateway.tell("Ready");
  gateway.tell("Stopping");
  await eventually(() => expect(states).toEqual(["Ready", "Stopping"]));
  expect(session.status).toMatchObject({ state: "Stopping" });
  expect((await textOf(session.fetch("notes"))).status).toBe(200);
  expect(ends).toEqual([]);
  gateway.tell("Swept", { reason: "Requested", message: "The backend was asked to end." });
  await eventually(() => expect(ends).toEqual([{ reason: "Requested", message: "The backend was asked to end." }]));
  await expect(session.fetch("notes")).rejects.toMatchObject({ code: "backend_ended" });
});

test("a program's own Authorization goes along, and the token in the URL", async () => {
  const { gateway, session } = await setUp();
  gateway.tell("Ready");
  const { body } = await textOf(session.fetch("notes", { headers: { authorization: "Basic abc" } }));
  expect(body).toEqual({ url: "/b1/notes?_spawner_token=g1-t1", authorization: "Basic abc" });
});

test.each(["../api/backends", "https://example.com/", "\\\\example.com", "a/../../b"])(
  "%j leads elsewhere, and no token goes there",
  async (path) => {
    const { gateway, session } = await setUp();
    gateway.tell("Ready");
    await expect(session.fetch(path)).rejects.toThrow(TypeError);
    expect(() => session.webSocket(path)).toThrow(TypeError);
  },
);

test("a token that is refused is renewed by one call for all, and the requests are made again", async () => {
  const { gateway, session, connect } = await setUp();
  gateway.tell("Ready");
  await session.ready();
  gateway.goodTokens.clear();
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => textOf(session.fetch("notes", { method: "POST" }))),
  );
  expect(new Set(answers.map(({ body }) => body.authorization))).toEqual(new Set(["Bearer g1-t2"]));
  expect(connect).toHaveBeenCalledTimes(2);
});

test("a refusal that a new token does not mend is the answer", async () => {
  const { gateway, session, connect } = await setUp();
  gateway.tell("Ready");
  await session.ready();
  connect.mockImplementation(async () => ({ ...gateway.connection(), token: "forged" }));
  gateway.goodTokens.clear();
  expect((await session.fetch("notes")).status).toBe(401);
  expect(connect).toHaveBeenCalledTimes(2);
});

test("a token is renewed before it is over", async () => {
  const { gateway, session, connect } = await setUp();
  connect.mockClear();
  gateway.tell("Ready");
  await session.ready();
  connect.mockImplementation(async () => gateway.connection());
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_600_000 - 29_000 });
  try {
    expect((await textOf(session.fetch("notes"))).body.authorization).toBe("Bearer g1-t2");
    expect((await textOf(session.fetch("notes"))).body.authorization).toBe("Bearer g1-t2");
  } finally {
    vi.useRealTimers();
  }
});

test("under a clock that is hours ahead, a token is used until it is refused", async () => {
  const gateway = await startGateway();
  const connect = vi.fn(async () => gateway.connection(-7_200_000));
  const session = hurriedSession({ connect });
  gateway.tell("Ready");
  for (let count = 0; count < 3; count++) expect((await session.fetch("notes")).status).toBe(200);
  expect(connect).toHaveBeenCalledTimes(1);
});

test("an end is told once, with its reason, and every call is told from then on", async () => {
  const { gateway, session, connect, ends } = await setUp();
  gateway.tell("Ready");
  await session.ready();
  gateway.tell("Swept", { reason: "Idle", message: "Nobody was connected." });
  await eventually(() => expect(ends).toEqual([{ reason: "Idle", message: "Nobody was connected." }]));
  await expect(session.fetch("notes")).rejects.toMatchObject({
    code: "backend_ended",
    message: expect.stringContaining("Idle"),
  });
  session.close();
  await new Promise(setImmediate);
  expect(ends).toHaveLength(1);
  expect(connect).toHaveBeenCalledTimes(1);
});

test("an end that a request meets first is told with the reason that the API gives", async () => {
  const { gateway, session, ends } = await setUp();
  gateway.tell("Ready");
  await session.ready();
  gateway.end("LifetimeExceeded");
  await expect(session.fetch("notes")).rejects.toMatchObject({ code: "backend_ended" });
  await eventually(() => expect(ends).toEqual([{ reason: "LifetimeExceeded", message: "It is over." }]));
});

test("where the application wants it, the next backend of the key takes over", async () => {
  const first = await startGateway();
  const next = await startGateway({ generation: "g2" });
  const asked: SessionEnd[] = [];
  let gateway = first;
  const session = hurriedSession({
    connect: async () => gateway.connection(),
    shouldContinue: (end) => asked.push(end) > 0,
    onEnded: () => expect.unreachable(),
  });
  first.tell("Ready");
  await session.ready();
  gateway = next;
  next.tell("Ready");
  first.tell("Swept", { reason: "Superseded" });
  await eventually(() => expect(asked).toMatchObject([{ reason: "Superseded" }]));
  expect((await textOf(session.fetch("notes"))).body.authorization).toBe("Bearer g2-t1");
});

test("what shouldContinue throws is reported as the application's own, and ends the session", async () => {
  const listeners = process.listeners("uncaughtException"); // of the tests' own
  process.removeAllListeners("uncaughtException");
  onTestFinished(() => {
    process.removeAllListeners("uncaughtException");
    for (const listener of listeners) process.on("uncaughtException", listener);
  });
  const reported = vi.fn();
  process.on("uncaughtException", reported);
  const mistake = new Error("of the application");
  const { gateway, ends } = await setUp({
    shouldContinue: () => {
      throw mistake;
    },
  });
  gateway.tell("Ready");
  gateway.tell("Swept", { reason: "Idle", message: "Nobody was connected." });
  await eventually(() => expect(ends).toMatchObject([{ reason: "Idle" }]));
  await eventually(() => expect(reported).toHaveBeenCalledExactlyOnceWith(mistake, "uncaughtException"));
});

test.each(["a request", "a WebSocket"])("one that %s has reached is followed by the next at once", async (way) => {
  const first = await startGateway();
  const next = await startGateway({ generation: "g2" });
  let gateway = first;
  const session = hurriedSession({
    connect: async () => ({ ...gateway.connection(), statusUrl: undefined }), // nobody tells that it is ready
    shouldContinue: () => true,
    retry: { firstMs: 5, giveUpMs: 0 },
  });
  if (way === "a request") expect((await session.fetch("notes")).status).toBe(200);
  else {
    const socket = session.webSocket("socket");
    await eventually(() => expect(socket.isOpen).toBe(true));
    socket.close();
  }
  gateway = next;
  first.end("Idle");
  expect((await textOf(session.fetch("notes"))).body.authorization).toBe("Bearer g2-t1");
});

test("an application that is away now and then is asked again for as long as at first, however old the page is", async () => {
  const clocks = movableClocks();
  const gateway = await startGateway();
  let failures = 0;
  const session = hurriedSession({
    connect: async () => {
      if (failures-- > 0) throw new TypeError("Failed to fetch");
      return { ...gateway.connection(), statusUrl: undefined };
    },
    retry: { firstMs: 5, mostMs: 20, giveUpMs: 3_600_000 },
  });
  await session.ready();
  for (let hour = 1; hour <= 3; hour++) {
    clocks.pass(3_600_000);
    failures = 1;
    expect((await session.fetch("notes")).status).toBe(200);
  }
});

test("one that has been of no use is no failure before its end", async () => {
  const clocks = movableClocks();
  const first = await startGateway();
  const next = await startGateway({ generation: "g2" });
  const connect = async () => ({ ...next.connection(), statusUrl: undefined });
  const connection = { ...first.connection(86_400_000), statusUrl: undefined };
  const session = hurriedSession({ connection, connect, shouldContinue: () => true });
  clocks.pass(7_200_000);
  first.end("LifetimeExceeded");
  expect((await textOf(session.fetch("notes"))).body.authorization).toBe("Bearer g2-t1");
});

test("backends that end before they are ready are connected to with backoff", async () => {
  const gateway = await startGateway();
  gateway.tell("Failed", { reason: "Crashed", message: "code 1" });
  const connect = vi.fn(async () => gateway.connection());
  const ended = Promise.withResolvers<SessionEnd>();
  hurriedSession({
    connect,
    shouldContinue: () => true,
    onEnded: ended.resolve,
    retry: { firstMs: 20, mostMs: 40, giveUpMs: 200 },
  });
  expect(await ended.promise).toMatchObject({ reason: "Unreachable", message: expect.stringContaining("code 1") });
  expect(connect.mock.calls.length).toBeLessThan(15);
});

test("an application that lets nobody in ends the session as refused", async () => {
  const { session, ends } = await setUp({ connect: async () => null });
  await expect(session.ready()).rejects.toMatchObject({ code: "unauthorized" });
  await eventually(() => expect(ends).toMatchObject([{ reason: "Refused" }]));
});

test("an application that is away is asked again; one that says no for good is not", async () => {
  const gateway = await startGateway();
  gateway.tell("Ready");
  let calls = 0;
  const connect = async () => {
    if (++calls < 4) throw new TypeError("Failed to fetch");
    return gateway.connection();
  };
  await hurriedSession({ connect }).ready();
  expect(calls).toBe(4);

  const refusing = vi.fn(() => Promise.reject(new SpawnerClientError("unauthorized", "no", { status: 403 })));
  const { session, ends } = await setUp({ connect: refusing });
  await expect(session.ready()).rejects.toMatchObject({ code: "unreachable" });
  await eventually(() => expect(ends).toMatchObject([{ reason: "Unreachable", message: "no" }]));
  expect(refusing).toHaveBeenCalledTimes(1);
});

test("what is no connection ends the session, and is not quoted", async () => {
  const { session, ends } = await setUp({ connect: async () => ({ token: "secret" }) as never });
  await expect(session.ready()).rejects.toThrow(/POST \/connect/);
  await eventually(() => expect(ends).toHaveLength(1));
  expect(JSON.stringify(ends)).not.toContain("secret");
});

test("an application that never answers is given up after the time that it may take", async () => {
  const hanging = () => new Promise<never>(() => {});
  const { session, ends } = await setUp({ connect: hanging, timeoutMs: 20, retry: { giveUpMs: 0 } });
  await expect(session.ready()).rejects.toMatchObject({ code: "unreachable" });
  await eventually(() => expect(ends[0]?.message).toMatch(/20 ms/));
});

test("a status stream that cannot be read holds nobody up", async () => {
  const gateway = await startGateway();
  const connect = async () => ({ ...gateway.connection(), statusUrl: "http://127.0.0.1:1/status" });
  const session = hurriedSession({ connect });
  expect((await session.fetch("notes")).status).toBe(200);
  expect(
    (await hurriedSession({ connect: async () => ({ ...gateway.connection(), statusUrl: undefined }) }).fetch(""))
      .status,
  ).toBe(200);
});

test("every wait can be left, and leaves nothing behind", async () => {
  const { gateway, session } = await setUp();
  const leaving = new AbortController();
  const listeners = countListeners(leaving.signal);
  const waits = [session.ready(leaving), session.fetch("notes", leaving)];
  await eventually(() => expect(listeners()).toBeGreaterThan(0));
  leaving.abort(new Error("left"));
  for (const wait of waits) await expect(wait).rejects.toThrow("left");
  expect(listeners()).toBe(0);
  gateway.tell("Ready");
  expect((await session.fetch("notes")).status).toBe(200);
});

test("the signal of the session closes it without a word", async () => {
  const leaving = new AbortController();
  const listeners = countListeners(leaving.signal);
  const { gateway, session, ends } = await setUp({ signal: leaving.signal });
  gateway.tell("Ready");
  await session.ready();
  expect(listeners()).toBe(1);
  leaving.abort();
  await expect(session.fetch("notes")).rejects.toMatchObject({ code: "aborted" });
  expect(listeners()).toBe(0);
  expect(ends).toEqual([]);
});

import { once } from "node:events";
import type { ConnectRequest, ConnectResponse, ErrorBody } from "@spawner/client";
import { describe, expect, test, vi } from "vitest";
import { ConnectionTokenVerifier } from "../core/connection-token.ts";
import { SpawnerError } from "../core/errors.ts";
import { idOfKey } from "../core/keyed-id.ts";
import type { HoldAnswer, RelayHost } from "../core/relay-host.ts";
import { makeSigningKey } from "../core/signing-keys.ts";
import { endedPatch } from "../core/status.ts";
import type { GetOptions } from "../engine/engine.ts";
import { silentLog } from "../lib/log.ts";
import { startApi, type TestApiOptions } from "./fixture.ts";

const id = idOfKey("doc");
const name = `spawner-${id}`;

async function setUp(options: TestApiOptions = {}) {
  const signingKeys = [makeSigningKey(new Date())];
  const relayHosts = new Map<string, RelayHost>();
  const api = await startApi({ signingKeys, relayHosts, ...options });
  const verifier = new ConnectionTokenVerifier(() => signingKeys, { now: () => new Date() });
  const { send } = api;
  return {
    ...api,
    relayHosts,
    verify: (token: string) => verifier.verify(token),
    uid: async () => (await api.engine.backends.get(name))?.metadata.uid,
    connect: async (request: ConnectRequest = { key: "doc" }) => {
      const response = await send("/connect", request);
      expect(response.status, await response.clone().text()).toBe(200);
      return (await response.json()) as ConnectResponse;
    },
    refused: async (request: ConnectRequest = { key: "doc" }) => {
      const response = await send("/connect", request);
      return {
        status: response.status,
        retryAfter: response.headers.get("retry-after"),
        ...((await response.json()) as ErrorBody),
      };
    },
  };
}

type Api = Awaited<ReturnType<typeof setUp>>;

/** A relay host of which only `hold` is asked. */
function holding(...answers: (HoldAnswer | Error)[]) {
  const held: number[] = [];
  const host: RelayHost = {
    watch: () => () => {},
    seal: () => Promise.reject(new Error("nobody seals here")),
    hold: async (seconds) => {
      held.push(seconds);
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (answer instanceof Error) throw answer;
      return answer ?? { held: true };
    },
  };
  return { host, held };
}

test("the first call of a key starts its backend, and every later one is given the same", async () => {
  const { connect, uid, verify } = await setUp();
  const first = await connect({ key: "doc", user: "ada", auth: { role: "teacher" } });
  expect(first).toEqual({
    backend: id,
    generation: await uid(),
    key: "doc",
    url: `http://gw.example/p/${id}/?_spawner_token=${first.token}`,
    token: expect.any(String),
    tokenExpiresAt: expect.any(String),
    statusUrl: `http://api.example/backend/${id}/status`,
    spawned: true,
    stale: false,
    state: "Submitted",
  });
  const token = { backend: `${name}/${await uid()}`, user: "ada", auth: { role: "teacher" } };
  expect(verify(first.token)).toMatchObject({ kind: "valid", token });
  expect(Date.parse(first.tokenExpiresAt) - Date.now()).toBeGreaterThan(3_590_000);
  const second = await connect();
  expect(second).toMatchObject({ backend: id, spawned: false, stale: false });
  expect(second.token).not.toBe(first.token);
});

test("without a key, each call starts a backend of its own", async () => {
  const { connect } = await setUp();
  const [a, b] = [await connect({}), await connect({})];
  expect([a.spawned, b.spawned, a.backend === b.backend]).toEqual([true, true, false]);
  expect(a).not.toHaveProperty("key");
});

test("500 callers of a key at once get one backend, which one of them has started", async () => {
  const { connect, engine } = await setUp();
  const answers = await Promise.all(Array.from({ length: 500 }, () => connect()));
  expect(new Set(answers.map(({ backend }) => backend))).toEqual(new Set([id]));
  expect(answers.filter(({ spawned }) => spawned)).toHaveLength(1);
  expect((await engine.backends.list()).items).toHaveLength(1);
});

describe("a backend is handed out only held", () => {
  test("by its relay host, where it has one", async () => {
    const { connect, relayHosts } = await setUp();
    await connect();
    const { host, held } = holding();
    relayHosts.set(name, host);
    expect(await connect()).toMatchObject({ spawned: false });
    expect(held).toEqual([30]);
  });

  test("one that is sealed is waited for: here until its end, and then the next one is started", async () => {
    const { connect, relayHosts, end, uid } = await setUp();
    await connect();
    const before = await uid();
    const { host, held } = holding({ held: false, because: "sealed" });
    relayHosts.set(name, host);
    const waiting = connect();
    await vi.waitFor(() => expect(held.length).toBeGreaterThan(0));
    relayHosts.delete(name);
    await end(id, "Idle");
    expect(await waiting).toMatchObject({ spawned: true });
    expect(await uid()).not.toBe(before);
  });

  test("one whose seal is lifted again is handed out", async () => {
    const { connect, relayHosts } = await setUp();
    await connect();
    relayHosts.set(name, holding({ held: false, because: "sealed" }, { held: true }).host);
    expect(await connect()).toMatchObject({ spawned: false });
  });

  test("one whose relay host cannot be asked is not handed out", async () => {
    const { connect, refused, relayHosts } = await setUp();
    await connect();
    relayHosts.set(name, holding(new SpawnerError("unavailable", "The relay host did not answer.")).host);
    expect(await refused()).toMatchObject({ status: 503, code: "unavailable" });
  });

  test("one that was asked to end is not handed out, but the next one", async () => {
    const { connect, engine, end, uid } = await setUp();
    await connect();
    const before = (await uid()) ?? "";
    await engine.backends.requestStop({ name, uid: before });
    const waiting = connect();
    await end(id, "Requested");
    expect(await waiting).toMatchObject({ spawned: true });
    expect(await uid()).not.toBe(before);
  });
});

describe("what is told of a backend that is not placed yet, or has lost its relay host", () => {
  test("a stop that came meanwhile keeps it from being handed out", async () => {
    const { connect, engine, relayHosts, end, uid } = await setUp();
    await connect();
    const before = (await uid()) ?? "";
    const { host, held } = holding();
    relayHosts.set(name, {
      ...host,
      hold: async (seconds) => {
        // As another api would, whose write this one hears of while it asks.
        await engine.backends.requestStop({ name, uid: before });
        return host.hold(seconds);
      },
    });
    const waiting = connect();
    await vi.waitFor(() => expect(held).toEqual([30]));
    relayHosts.delete(name);
    await end(id, "Requested");
    expect(await waiting).toMatchObject({ spawned: true });
    expect(await uid()).not.toBe(before);
  });

  test("one that is said to run and has no relay host is not handed out", async () => {
    const { connect, reach, end, uid } = await setUp();
    await connect();
    const before = await uid();
    await reach(id, "Constructed", "Scheduled", "Running", "Ready");
    const waiting = connect();
    await end(id, "Crashed");
    expect(await waiting).toMatchObject({ spawned: true });
    expect(await uid()).not.toBe(before);
  });

  test("a relay host that does not answer, and a store that does not, cost a caller 2 s", async () => {
    const { connect, refused, engine, relayHosts } = await setUp();
    await connect();
    relayHosts.set(name, { ...holding().host, hold: () => new Promise(() => {}) });
    const { backends } = engine;
    const get = backends.get.bind(backends);
    backends.get = (asked: string, options?: GetOptions) =>
      options?.fresh ? new Promise<never>(() => {}) : get(asked);
    const startedAt = performance.now();
    expect(await refused()).toMatchObject({ status: 503, code: "unavailable", retryAfter: "1" });
    expect(performance.now() - startedAt).toBeLessThan(2_500);
  });
});

test("a stop is answered when the relay host lets nobody in any more, or does not answer", async () => {
  const { connect, relayHosts, url } = await setUp();
  await connect();
  const sealed: object[] = [];
  const host = holding().host;
  relayHosts.set(name, {
    ...host,
    seal: async (request) => {
      sealed.push(request);
      return { sealed: true };
    },
  });
  expect((await fetch(`${url}/backend/${id}`, { method: "DELETE" })).status).toBe(202);
  expect(sealed).toEqual([{ leaseMs: 10_000, evenIfActive: true }]);
  relayHosts.set(name, host); // which rejects
  expect((await fetch(`${url}/backend/${id}`, { method: "DELETE" })).status).toBe(202);
});

test("a crowd that finds nothing creates one, and a store that is away fails all of them at once", async () => {
  const { refused, engine } = await setUp();
  const get = vi.spyOn(engine.backends, "get");
  let creations = 0;
  engine.backends.create = async () => {
    creations += 1;
    // All have looked, and the one who creates it once more.
    await vi.waitFor(() => expect(get.mock.calls.length).toBeGreaterThan(50), { timeout: 20_000 });
    throw new SpawnerError("unavailable", "The store is away.");
  };
  const answers = await Promise.all(Array.from({ length: 50 }, () => refused()));
  expect(answers.every(({ status }) => status === 503)).toBe(true);
  expect(creations).toBe(1);
});

test("a request that the store refuses fails alone, and whoever waited for its backend makes one", async () => {
  const { send, engine } = await setUp();
  const { backends } = engine;
  const create = backends.create.bind(backends);
  const others = Promise.withResolvers<void>();
  let creations = 0;
  backends.create = async (draft) => {
    creations += 1;
    if (creations > 1) return create(draft);
    await others.promise;
    throw new SpawnerError("invalid_request", "The engine cannot run this.");
  };
  const first = send("/connect", { key: "doc" });
  await vi.waitFor(() => expect(creations).toBe(1));
  const get = vi.spyOn(backends, "get");
  const crowd = Array.from({ length: 20 }, () => send("/connect", { key: "doc" }));
  await vi.waitFor(() => expect(get).toHaveBeenCalledTimes(20)); // and found nothing
  others.resolve();
  expect((await first).status).toBe(400);
  const answers = await Promise.all(crowd);
  expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
  const bodies = (await Promise.all(answers.map((answer) => answer.json()))) as ConnectResponse[];
  expect(new Set(bodies.map(({ generation }) => generation)).size).toBe(1);
  expect(creations).toBe(2);
});

test("a backend of that name which somebody made by hand, of no key, is not handed out", async () => {
  const { refused, engine } = await setUp();
  await engine.backends.create({ name, spec: { template: { containers: [{}] } } });
  expect(await refused()).toMatchObject({ status: 409, code: "already_exists" });
});

describe("as many backends live as may", () => {
  test("of one user, whom that is told; another one is let in, and the first when one has ended", async () => {
    const { connect, refused, end } = await setUp({ userBackendsMax: 2 });
    const first = await connect({ key: "1", user: "ada" });
    await connect({ key: "2", user: "ada" });
    const third: ConnectRequest = { key: "3", user: "ada" };
    const message = "2 backends of this user live or are ending, and no more than 2 are allowed (--user-backends-max).";
    expect(await refused(third)).toMatchObject({ status: 429, code: "too_many_backends", retryAfter: "5", message });
    expect(await connect({ key: "1", user: "ada" })).toMatchObject({ spawned: false });
    expect(await connect({ key: "3", user: "bob" })).toMatchObject({ spawned: true });
    expect(await connect({ key: "3", user: "ada" })).toMatchObject({ spawned: false });
    await end(first.backend, "Idle");
    expect(await connect({ key: "4", user: "ada" })).toMatchObject({ spawned: true });
  });

  test("in all, however many ask at once", async () => {
    const { send, engine } = await setUp({ apiBackendsMax: 5 });
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, key) => send(key % 2 ? "/spawn" : "/connect", key % 2 ? {} : { key: `${key}` })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(5);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(35);
    expect((await engine.backends.list()).items).toHaveLength(5);
  });
});

describe("where the spec asked for is another than the live one's", () => {
  const other: ConnectRequest = { key: "doc", env: { A: "1" } };

  test("the live one is handed out as stale, and is to end when nobody is connected", async () => {
    const { connect, engine } = await setUp();
    await connect();
    expect(await connect(other)).toMatchObject({ spawned: false, stale: true });
    expect((await engine.backends.get(name))?.spec).toMatchObject({ stopWhenIdle: true });
    expect(await connect()).toMatchObject({ spawned: false, stale: false });
  });

  test("or is kept", async () => {
    const { connect, engine } = await setUp();
    await connect();
    expect(await connect({ ...other, onSpecChange: "keep" })).toMatchObject({ spawned: false, stale: true });
    expect((await engine.backends.get(name))?.spec).not.toHaveProperty("stopWhenIdle");
  });

  test("or is ended as superseded, where no other api can hold it from then on, and the next one started", async () => {
    const { connect, engine, end, relayHosts } = await setUp();
    await connect();
    const sealed: object[] = [];
    relayHosts.set(name, {
      ...holding().host,
      seal: async (request) => {
        sealed.push(request);
        return { sealed: true };
      },
    });
    const waiting = connect({ ...other, onSpecChange: "now" });
    await vi.waitFor(async () => expect((await engine.backends.get(name))?.spec.stopReason).toBe("Superseded"));
    await vi.waitFor(() => expect(sealed).toEqual([{ leaseMs: 10_000, evenIfActive: true }]));
    await end(id, "Superseded");
    expect(await waiting).toMatchObject({ spawned: true, stale: false });
  });

  test("a default that is written out is no other spec", async () => {
    const { connect } = await setUp();
    await connect();
    expect(await connect({ key: "doc", gracePeriodSeconds: 300, startupTimeoutSeconds: 300 })).toMatchObject({
      stale: false,
    });
  });
});

describe("a key whose backend failed", () => {
  test("starts anew at once, and its caller is told", async () => {
    const { connect, end } = await setUp();
    await connect();
    await end(id, "Crashed");
    expect(await connect()).toMatchObject({
      spawned: true,
      previousFailure: { state: "Failed", reason: "Crashed", message: "because of Crashed" },
    });
  });

  test("again and again waits longer each time, and its caller is told why", async () => {
    const { connect, end, refused } = await setUp();
    for (let failure = 0; failure < 2; failure++) {
      await connect();
      await end(id, "ImagePull");
    }
    const message = expect.stringMatching(/last 2 backends of this key failed.*ImagePull: because of ImagePull/);
    expect(await refused()).toMatchObject({ status: 503, retryAfter: "1", message });
  });

  test("after it had been ready counts as none", async () => {
    const { connect, end, reach } = await setUp();
    for (let failure = 0; failure < 3; failure++) {
      await connect();
      await reach(id, "Running", "Ready");
      await end(id, "Crashed");
    }
    expect(await connect()).toMatchObject({ spawned: true });
  });
});

describe("who waits until it is ready", () => {
  test("is answered then", async () => {
    const { connect, reach, relayHosts } = await setUp();
    await connect();
    relayHosts.set(name, holding().host);
    const waiting = connect({ key: "doc", waitReady: true });
    await reach(id, "Running", "Ready");
    expect(await waiting).toMatchObject({ state: "Ready" });
  });

  test.each([
    ["has no place when it is found", true],
    ["is started by it", false],
  ])("is given one that %s only held", async (_, isFound) => {
    const api = await setUp();
    if (isFound) await api.connect();
    const get = vi.spyOn(api.engine.backends, "get");
    const waiting = api.connect({ key: "doc", waitReady: true });
    // Where it is found, it is read once more in place of a promise: behind that its caller waits.
    if (isFound) await vi.waitFor(() => expect(get).toHaveBeenCalledWith(name, { fresh: true }));
    else await vi.waitFor(async () => expect(await api.uid()).toBeDefined());
    const { host, held } = holding({ held: false, because: "sealed" }, { held: true }); // a seal that is lifted again
    await api.reach(id, "Constructed", "Scheduled");
    api.relayHosts.set(name, host);
    await api.reach(id, "Running", "Ready");
    expect(await waiting).toMatchObject({ state: "Ready" });
    expect(held).toEqual([30, 30]);
  });

  const stop = async ({ engine, uid }: Api) =>
    void (await engine.backends.requestStop({ name, uid: (await uid()) ?? "" }));
  test.each([
    {
      how: "was asked to end before it was ready",
      becomeReady: async (api: Api) => {
        await stop(api);
        await api.reach(id, "Running", "Ready");
      },
    },
    {
      how: "is asked to end while it promises to stay",
      becomeReady: async (api: Api) => {
        const { host } = holding();
        const hold = async (seconds: number) => {
          await stop(api);
          return host.hold(seconds);
        };
        api.relayHosts.set(name, { ...host, hold });
        await api.reach(id, "Running", "Ready");
      },
    },
    {
      how: "is sealed when it is ready, and ends as idle",
      becomeReady: async (api: Api) => {
        const { host, held } = holding({ held: false, because: "sealed" });
        api.relayHosts.set(name, host);
        await api.reach(id, "Running", "Ready");
        await vi.waitFor(() => expect(held).not.toEqual([]));
        await api.end(id, "Idle");
      },
    },
  ])("is not given one that $how", async ({ becomeReady }) => {
    const api = await setUp();
    const waiting = api.refused({ key: "doc", waitReady: true });
    await vi.waitFor(async () => expect(await api.uid()).toBeDefined());
    await becomeReady(api);
    expect(await waiting).toMatchObject({ status: 410, code: "backend_ended" });
  });

  test("is told to ask another server where this one is about to end", async () => {
    const { refused, uid, quiesce } = await setUp();
    const waiting = refused({ key: "doc", waitReady: true });
    await vi.waitFor(async () => expect(await uid()).toBeDefined());
    await quiesce({ mostMs: 20_000, signal: new AbortController().signal });
    expect(await waiting).toMatchObject({ status: 503, code: "unavailable", retryAfter: "1" });
  });

  test("waits no longer once its client has left, which is no error of ours", async () => {
    const errors: string[] = [];
    const log = { ...silentLog, error: (_: object, message: string) => errors.push(message) };
    const { connect, uid, openConnection, reach, relayHosts } = await setUp({ log });
    const body = JSON.stringify({ key: "doc", waitReady: true });
    const socket = openConnection();
    socket.write(`POST /connect HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n`);
    socket.write(`content-length: ${body.length}\r\n\r\n${body}`);
    await vi.waitFor(async () => expect(await uid()).toBeDefined());
    const closed = once(socket, "close");
    socket.destroy();
    await closed;
    await connect(); // by when the server has heard of it
    const { host, held } = holding();
    relayHosts.set(name, host);
    await reach(id, "Running", "Ready");
    await connect();
    expect(held).toEqual([30]);
    expect(errors).toEqual([]);
  });

  test.each(["end", "forget"] as const)("is told where it is over before, by %s", async (how) => {
    const { connect, refused, relayHosts, ...api } = await setUp();
    await connect();
    const { host, held } = holding();
    relayHosts.set(name, host);
    const waiting = refused({ key: "doc", waitReady: true });
    await vi.waitFor(() => expect(held).toHaveLength(1));
    await api[how](id, "Crashed");
    expect(await waiting).toMatchObject({
      status: 410,
      message: expect.stringMatching(/ended before it was ready\. .+/),
    });
  });
});

test("nothing is started where there is no key to sign tokens with", async () => {
  const { refused, engine } = await setUp({ signingKeys: [] });
  expect(await refused()).toMatchObject({ status: 503, message: expect.stringMatching(/no key to sign/) });
  expect((await engine.backends.list()).items).toEqual([]);
});

test.each([
  [{ key: "" }, /^key must not be empty; "" was given\.$/],
  [{ key: "é".repeat(400) }, /key must have at most 512 bytes in UTF-8; 800 were given/],
  [{ key: "a\0b" }, /zero byte/],
  [{ user: "a\nb" }, /^user must be printable ASCII/],
  [{ user: "" }, /^user must not be empty; "" was given\.$/],
  [{ tokenTtlSeconds: 0 }, /^tokenTtlSeconds must be at least 1; 0 was given\.$/],
  [{ tokenTtlSeconds: 0.1 }, /^tokenTtlSeconds must be a whole number; 0\.1 was given\.$/],
  [{ onSpecChange: "later" }, /^onSpecChange must be one of "keep", "whenIdle", "now"; "later" was given\.$/],
  [{ auth: { a: "x".repeat(3_000) } }, /auth must have at most 2048 bytes as JSON/],
  [{ env: { SPAWNER_KEY: "x" } }, /env/],
  [{ keys: "doc" }, /unknown field "keys"/],
])("%j is refused, and nothing is started", async (request, message) => {
  const { refused, engine } = await setUp();
  expect(await refused(request as ConnectRequest)).toMatchObject({
    status: 400,
    message: expect.stringMatching(message),
  });
  expect((await engine.backends.list()).items).toEqual([]);
});

test.each(["/spawn", "/connect"])("%s takes only images that are allowed", async (path) => {
  const { send } = await setUp({ images: ["def*"], imageNamesTemplate: false });
  const refused = await send(path, { image: "other" });
  expect([refused.status, ((await refused.json()) as ErrorBody).message]).toEqual([
    400,
    'image must be one of those that are allowed here (--images); "other" was given.',
  ]);
  expect((await send(path, { image: "default" })).status).toBe(200);
  expect((await send(path, {})).status).toBe(200);
});

describe("access is taken back", () => {
  test("from a user, or from one token", async () => {
    const { connect, send, engine, verify } = await setUp();
    const { token } = await connect();
    expect((await send(`/backend/${id}/revoke`, { user: "ada" })).status).toBe(200);
    expect((await send(`/backend/${id}/revoke`, { token })).status).toBe(200);
    const verdict = verify(token);
    const tokenId = verdict.kind === "valid" ? verdict.token.id : "";
    const time = expect.stringMatching(/^20/);
    expect((await engine.backends.get(name))?.status.revocations).toEqual({
      users: { ada: time },
      tokens: { [tokenId]: time },
    });
  });

  test.each([
    {
      from: "waits until its backend is ready",
      begin: async (api: Api) => {
        api.relayHosts.set(name, holding().host);
        const waiting = api.refused({ key: "doc", user: "ada", waitReady: true });
        await vi.waitFor(async () => expect(await api.uid()).toBeDefined());
        return { waiting, goOn: () => api.reach(id, "Running", "Ready") };
      },
    },
    {
      from: "waits for the end of the backend before",
      begin: async (api: Api) => {
        await api.connect();
        const { promise, resolve } = Promise.withResolvers<{ kind: "absent" }>();
        const observe = vi.spyOn(api.engine.workloads, "observe").mockReturnValueOnce(promise);
        await api.end(id, "Requested");
        const waiting = api.refused({ key: "doc", user: "ada" });
        await vi.waitFor(() => expect(observe).toHaveBeenCalled());
        return { waiting, goOn: async () => resolve({ kind: "absent" }) };
      },
    },
  ])(
    "from a user who $from: no token is given that is younger, until the user is connected anew",
    async ({ begin }) => {
      const api = await setUp();
      const { waiting, goOn } = await begin(api);
      expect((await api.send(`/backend/${id}/revoke`, { user: "ada" })).status).toBe(200);
      await goOn();
      expect(await waiting).toMatchObject({
        status: 409,
        code: "conflict",
        message: expect.stringMatching(/taken back/),
      });
      expect(await api.connect({ key: "doc", user: "ada" })).toMatchObject({ backend: id });
    },
  );

  test("from exactly one at a time, and by a token of this backend", async () => {
    const { connect, send } = await setUp();
    await connect();
    const { token } = await connect({ key: "another" });
    for (const body of [{}, { user: "ada", token }, { token: "x" }, { token }]) {
      expect((await send(`/backend/${id}/revoke`, body)).status).toBe(400);
    }
    const messageOf = async (body: object) =>
      ((await (await send(`/backend/${id}/revoke`, body)).json()) as ErrorBody).message;
    expect(await messageOf({})).toBe("exactly one of user and token is needed; none was given.");
    expect(await messageOf({ user: "ada", token })).toBe("exactly one of user and token is needed; 2 were given.");
    expect((await send("/backend/nobody/revoke", { user: "ada" })).status).toBe(404);
  });
});

test("whoever guesses a key learns how its backend ended, and not what its program wrote", async () => {
  const { connect, engine, url } = await setUp();
  await connect();
  const backend = await engine.backends.get(name);
  if (backend === undefined) throw new Error("it was just made");
  const message = "The program exited with code 1. Its last output:\npassword: hunter2";
  const patch = endedPatch(backend, { reason: "Crashed", message, at: new Date() }) ?? {};
  await engine.backends.patchStatus(backend.metadata, patch);
  for (const path of ["status", "status/stream", "ready"]) {
    const text = await (await fetch(`${url}/backend/${id}/${path}`, { redirect: "manual" })).text();
    expect([path, text]).toEqual([path, expect.stringContaining("The program exited with code 1.")]);
    expect([path, text]).not.toEqual([path, expect.stringContaining("hunter2")]);
  }
  const shown = await (await fetch(`${url}/backend/${id}`)).json();
  expect(shown).toMatchObject({ state: "Failed", message });
});

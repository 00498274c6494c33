import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { SpawnerClient, type SpawnerClientOptions } from "./client.ts";
import { clientErrorCodes } from "./error-codes.ts";
import { SpawnerClientError } from "./errors.ts";
import {
  type Answerer,
  badGatewayPage,
  collect,
  countListeners,
  errorBody,
  hurriedClient,
  json,
  startServer,
} from "./fixture.ts";
import type { BackendView } from "./protocol.ts";

const time = "2026-01-01T00:00:00.000Z";
const view = (name: string): BackendView => ({
  name,
  generation: "u1",
  state: "Ready",
  time,
  createdAt: time,
  transitions: [],
  gracePeriodSeconds: 1,
  terminationGracePeriodSeconds: 30,
});

describe("each call sends its request", () => {
  test.each<[string, (client: SpawnerClient) => Promise<unknown>, unknown, string]>([
    ["spawn", (client) => client.spawn({ env: { A: "é" } }), { name: "b1" }, "POST /api/spawn"],
    ["status", (client) => client.status("b1"), { state: "Ready", time }, "GET /api/backend/b1/status"],
    ["backend", (client) => client.backend("b1"), view("b1"), "GET /api/backend/b1"],
    ["stop", (client) => client.stop("b1"), view("b1"), "DELETE /api/backend/b1"],
    [
      "stop in haste",
      (client) => client.stop("b1", { graceSeconds: 0 }),
      view("b1"),
      "DELETE /api/backend/b1?graceSeconds=0",
    ],
    ["list", (client) => client.list(), { backends: [view("b1")] }, "GET /api/backends"],
    [
      "list of a page",
      (client) => client.list({ labels: { "a/b": "c d", e: "" }, selector: "!f", limit: 2, continue: "x&y" }),
      { backends: [], continue: "z" },
      "GET /api/backends?label=a%2Fb%3Dc+d&label=e%3D&label=%21f&limit=2&continue=x%26y",
    ],
    ["an odd id", (client) => client.status("a/b?c#d é%"), { state: "Ready", time }, odd("/status")],
    ["an id that climbs", (client) => client.backend("../x"), view("b1"), "GET /api/backend/..%2Fx"],
  ])("%s", async (_, call, answer, request) => {
    const { url, requests } = await startServer(json(answer));
    expect(await call(hurriedClient(url))).toEqual(answer);
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual([request]);
  });

  function odd(rest: string) {
    return `GET /api/backend/a%2Fb%3Fc%23d%20%C3%A9%25${rest}`;
  }

  test("a body as JSON, a token as a bearer's", async () => {
    let body = "";
    const { url, requests } = await startServer((response, request) => {
      request.on("data", (bytes) => {
        body += bytes;
      });
      request.on("end", () => json({ name: "b1" })(response, request));
    });
    await hurriedClient(url, { token: "secret-token" }).spawn({ image: "ä", env: { A: "1" } });
    expect(JSON.parse(body)).toEqual({ image: "ä", env: { A: "1" } });
    expect(requests[0]?.headers).toMatchObject({
      "content-type": "application/json",
      accept: "application/json",
      authorization: "Bearer secret-token",
    });
  });

  test.each([
    ["", "/status"],
    ["/", "/status"],
    ["/deep/api", "/deep/api/status"],
    ["/deep/api//", "/deep/api/status"],
    ["/api?a=b#c", "/api/status"],
  ])("below the URL, however that is written: %j", async (path, expected) => {
    const { port, requests } = await startServer(json({ state: "Ready", time }));
    await hurriedClient(`http://127.0.0.1:${port}${path}`).status("b1");
    expect(requests[0]?.url?.replace("/backend/b1", "")).toBe(expected);
  });

  test("by the fetch that was given", async () => {
    const client = new SpawnerClient({
      url: "https://example.invalid/x",
      fetch: async (url) => Response.json({ state: "Ready", time, message: String(url) }),
    });
    expect((await client.status("b1")).message).toBe("https://example.invalid/x/backend/b1/status");
  });

  test("a list of all asks for page after page", async () => {
    const { url, requests } = await startServer(
      json({ backends: [view("a"), view("b")], continue: "b" }),
      json({ backends: [], continue: "c" }),
      json({ backends: [view("d")] }),
    );
    const { items } = await collect(hurriedClient(url).listAll({ labels: { a: "b" }, limit: 2 }));
    expect(items.map(({ name }) => name)).toEqual(["a", "b", "d"]);
    expect(requests.map((request) => request.url?.split("limit=2")[1])).toEqual(["", "&continue=b", "&continue=c"]);
  });

  test("a list that turns in a circle is left", async () => {
    const { url, requests } = await startServer(json({ backends: [], continue: "a" }));
    expect((await collect(hurriedClient(url).listAll())).error).toMatchObject({ code: "bad_answer" });
    expect(requests).toHaveLength(2);
  });
});

describe("what the caller gives wrongly is said before anything is sent", () => {
  test.each([
    ["", /must be like .*not ""/],
    ["/api", /must be like/],
    ["ftp://example.com", /must be like .*ftp:/],
    ["http://", /must be like/],
    ["http://user:hunter2@example.com", /no user name or password/],
  ])("the URL %j", (url, message) => {
    const construct = () => new SpawnerClient({ url });
    expect(construct).toThrow(TypeError);
    expect(construct).toThrow(message);
    expect(construct).not.toThrow(/hunter2/);
  });

  test.each(["", "secret\n", "se cret", "sécret"])("the token %j, which is not quoted", (token) => {
    const construct = () => new SpawnerClient({ url: "http://127.0.0.1", token });
    expect(construct).toThrow(TypeError);
    expect(construct).not.toThrow(/cret|crét/);
  });

  test.each([undefined, null, 5, new URL("http://127.0.0.1")])("the URL that is no string: %s", (url) => {
    const construct = () => new SpawnerClient({ url } as unknown as SpawnerClientOptions);
    expect(construct).toThrow(TypeError);
    expect(construct).toThrow(/URL must be a string like/);
  });

  test("no options at all", () => {
    const construct = () => Reflect.construct(SpawnerClient, []) as unknown;
    expect(construct).toThrow(TypeError);
    expect(construct).toThrow(/URL must be a string like .*not undefined/);
  });

  test.each([null, 5])("the token %j, which is no string", (token) => {
    const construct = () => new SpawnerClient({ url: "http://127.0.0.1", token } as unknown as SpawnerClientOptions);
    expect(construct).toThrow(TypeError);
  });

  const times = ["timeoutMs", "retry.firstMs", "retry.mostMs", "retry.giveUpMs", "retry.silenceMs"];
  const ofTimes = times.flatMap((name) => [Number.NaN, -1, "5", null].map((ms) => [name, ms] as const));
  const ofNothing = times.filter((name) => name !== "retry.giveUpMs").map((name) => [name, 0] as const);
  test.each([...ofTimes, ...ofNothing])("%s: %s", (name, ms) => {
    const [option = "", part] = name.split(".");
    const options = { url: "http://127.0.0.1", [option]: part === undefined ? ms : { [part]: ms } };
    const construct = () => new SpawnerClient(options as unknown as SpawnerClientOptions);
    expect(construct).toThrow(TypeError);
    expect(construct).toThrow(`${name} must be a number of milliseconds, ${part === "giveUpMs" ? 0 : 1} or more`);
  });

  test("times that are left out, endless, or undefined, are none of that", () => {
    const endless = { firstMs: Number.POSITIVE_INFINITY, silenceMs: Number.POSITIVE_INFINITY };
    for (const retry of [undefined, {}, endless, { firstMs: undefined, giveUpMs: 0 }]) {
      expect(() => new SpawnerClient({ url: "http://127.0.0.1", timeoutMs: undefined, retry })).not.toThrow();
    }
  });

  test.each([Number.NaN, -1, 0])("a wait's time of %s", async (timeoutMs) => {
    const { url, requests } = await startServer(json({}));
    const error = await hurriedClient(url)
      .waitUntilReady("b1", { timeoutMs })
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ message: expect.stringContaining("timeoutMs must be") });
    expect(requests).toHaveLength(0);
  });

  test.each([undefined, null, 5, {}])("the id %j, which is no string", async (id) => {
    const { url, requests } = await startServer(json({}));
    for (const reason of await refusals(hurriedClient(url), id as unknown as string)) {
      expect(reason).toBeInstanceOf(TypeError);
      expect(reason).toMatchObject({ message: expect.stringMatching(/id must be a string, not/) });
    }
    expect(requests).toHaveLength(0);
  });

  test.each(["", ".", "..", "\ud800"])("the id %j, which would be another path", async (id) => {
    const { url, requests } = await startServer(json({}));
    const client = hurriedClient(url);
    for (const reason of await refusals(client, id)) expect(reason).toMatchObject({ code: "invalid_request" });
    expect(requests).toHaveLength(0);
  });

  /** What every call with this id ends with. */
  async function refusals(client: SpawnerClient, id: string): Promise<unknown[]> {
    const calls = [client.status(id), client.backend(id), client.stop(id), client.waitUntilReady(id)];
    const streams = [client.statusStream(id), client.logs(id), client.logBytes(id)];
    const ends = [
      ...calls.map((call) => call.then(String, (reason: unknown) => reason)),
      ...streams.map(async (stream) => (await collect(stream as AsyncIterable<unknown>)).error),
    ];
    return Promise.all(ends);
  }
});

test("a client that is logged does not show its token", () => {
  const client = new SpawnerClient({ url: "http://127.0.0.1", token: "secret-token" });
  expect(inspect(client, { depth: 9, showHidden: true })).not.toContain("secret");
  expect(JSON.stringify(client)).not.toContain("secret");
});

describe("every failure is one error with a closed code", () => {
  const cutBody: Answerer = (response) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
    response.write('{"state":', () => response.destroy());
  };
  const neverEnding: Answerer = (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    const timer = setInterval(() => response.write(" "), 20);
    response.on("close", () => clearInterval(timer));
  };
  const flood: Answerer = (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    const chunk = Buffer.alloc(1024 * 1024, " ");
    const send = () => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on("drain", send);
    send();
  };
  const silent: Answerer = () => {};
  const reset: Answerer = (response) => void response.destroy();

  test.each<[string, Answerer, Partial<SpawnerClientError>]>([
    [
      "the API's own error",
      json(errorBody("too_many_backends", "100 run."), 429, { "retry-after": "7" }),
      { code: "too_many_backends", status: 429, id: "e1", message: "100 run.", retryAfterSeconds: 7 },
    ],
    [
      "a proxy's page",
      badGatewayPage,
      { code: "bad_answer", status: 502, message: expect.stringMatching(/502 .*<h1>/) },
    ],
    ["an error in other words", json({ error: "no" }, 404), { code: "bad_answer", status: 404 }],
    ["an error code that is unknown", json(errorBody("odd"), 400), { code: "bad_answer", status: 400 }],
    ["an empty error", (response) => void response.writeHead(500).end(), { code: "bad_answer", status: 500 }],
    ["another JSON", json({ hello: "world" }), { code: "bad_answer", status: 200 }],
    ["null", json(null), { code: "bad_answer", status: 200 }],
    ["a state that is none", json({ state: 1, time }), { code: "bad_answer", status: 200 }],
    ["no JSON", (response) => void response.end("<html>"), { code: "bad_answer", status: 200 }],
    ["no content", (response) => void response.writeHead(204).end(), { code: "bad_answer", status: 204 }],
    ["more than any answer has", flood, { code: "bad_answer", status: 200 }],
    ["an answer that is cut", cutBody, { code: "unreachable" }],
    ["no answer at all", silent, { code: "timeout", message: expect.stringContaining("300 ms") }],
    ["an answer without an end", neverEnding, { code: "timeout" }],
    ["a reset", reset, { code: "unreachable" }],
  ])("%s", async (_, answer, expected) => {
    const { url } = await startServer(answer);
    const timeoutMs = answer === flood ? 20_000 : 300;
    const error = await hurriedClient(url, { timeoutMs })
      .status("b1")
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SpawnerClientError);
    expect(error).toMatchObject(expected);
    expect(clientErrorCodes).toContain((error as SpawnerClientError).code);
  });

  test.each([301, 302, 303, 307, 308])("a redirect, %i, which is not followed", async (status) => {
    const elsewhere = await startServer(json({ name: "b1" }));
    const location = `${elsewhere.url}/spawn`;
    const { url } = await startServer((response) => void response.writeHead(status, { location }).end());
    await expect(hurriedClient(url, { token: "secret" }).spawn({ env: { KEY: "secret" } })).rejects.toMatchObject({
      code: "bad_answer",
      status,
      message: expect.stringContaining(`redirected to ${JSON.stringify(location)}`),
    });
    const { error } = await collect(hurriedClient(url).statusStream("b1"));
    expect(error).toMatchObject({ code: "bad_answer", status });
    expect(elsewhere.requests).toHaveLength(0);
  });

  test("nobody who listens, with the cause", async () => {
    const { url, stop } = await startServer(json({}));
    await stop();
    await expect(hurriedClient(url).status("b1")).rejects.toMatchObject({
      code: "unreachable",
      message: expect.stringContaining("ECONNREFUSED"),
      cause: expect.any(TypeError),
    });
  });

  test("a caller who goes, before, during and after the head", async () => {
    const headOnly: Answerer = (response) => void response.writeHead(200).flushHeaders();
    const { url, requests } = await startServer(silent, headOnly);
    const client = hurriedClient(url);
    await expect(client.status("b1", { signal: AbortSignal.abort("why") })).rejects.toMatchObject({
      code: "aborted",
      cause: "why",
    });
    expect(requests).toHaveLength(0);
    for (let call = 0; call < 2; call++) {
      const signal = AbortSignal.timeout(100);
      await expect(client.status("b1", { signal })).rejects.toMatchObject({ code: "aborted" });
    }
  });

  test("a signal that outlives its calls keeps nothing of them", async () => {
    const { url } = await startServer(json({ state: "Ready", time }));
    const { signal } = new AbortController();
    const listeners = countListeners(signal);
    for (let call = 0; call < 5; call++) await hurriedClient(url).waitUntilReady("b1", { signal });
    expect(listeners()).toBe(0);
  });
});

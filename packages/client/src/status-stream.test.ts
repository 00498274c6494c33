import type { ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { describe, expect, test, vi } from "vitest";
import { SpawnerClient } from "./client.ts";
import {
  badGatewayPage,
  collect,
  countListeners,
  errorBody,
  events,
  hurriedClient,
  json,
  startServer,
  startServerAt,
  stateEvent,
} from "./fixture.ts";
import type { BackendState } from "./protocol.ts";

const wholeLife: BackendState[] = ["Submitted", "Constructed", "Scheduled", "Running", "Ready", "Stopping", "Swept"];
const lifeEvents = wholeLife.map((state) => stateEvent(state));

async function follow(url: string, options: { lastEventId?: string; signal?: AbortSignal } = {}) {
  const stream = hurriedClient(url).statusStream("b1", options);
  const { items, error } = await collect(stream);
  return { states: items.map(({ state }) => state), error, stream };
}

describe("a life is told once, and whole", () => {
  test("over one connection", async () => {
    const { url, requests } = await startServer(events(lifeEvents));
    const { states, error, stream } = await follow(url);
    expect({ states, error }).toEqual({ states: wholeLife, error: undefined });
    expect(stream.lastEventId).toBe("u1/Swept");
    expect(requests.map(({ url, headers }) => [url, headers.accept, headers["last-event-id"]])).toEqual([
      ["/api/backend/b1/status/stream", "text/event-stream", undefined],
    ]);
  });

  test("where each connection is cut in the middle of an event", async () => {
    const cutAfter = (from: number) => {
      const next = lifeEvents[from + 1] ?? "";
      return events([lifeEvents[from] ?? "", next.slice(0, next.length - 1)], { isCut: true });
    };
    const { url, requests } = await startServer(cutAfter(0), cutAfter(1), cutAfter(2), events(lifeEvents.slice(3)));
    const { states, error } = await follow(url);
    expect({ states, error }).toEqual({ states: wholeLife, error: undefined });
    expect(requests.map(({ headers }) => headers["last-event-id"])).toEqual([
      undefined,
      "u1/Submitted",
      "u1/Constructed",
      "u1/Scheduled",
    ]);
  });

  test("where it is cut in the middle of a character, and comes byte by byte", async () => {
    const message = "Färbung 😀";
    const text = `id: u1/Failed\ndata: ${JSON.stringify({ state: "Failed", time: "t", reason: "Crashed", message })}\n\n`;
    const bytes = new TextEncoder().encode(text);
    const { url } = await startServer(
      events([bytes.subarray(0, bytes.indexOf(0xf0) + 2)], { isCut: true }),
      events(Array.from(bytes, (byte) => Uint8Array.of(byte))),
    );
    const { items } = await collect(hurriedClient(url).statusStream("b1"));
    expect(items).toEqual([{ state: "Failed", time: "t", reason: "Crashed", message }]);
  });

  test("by a server that ends the stream orderly each time", async () => {
    const { url } = await startServer(...lifeEvents.map((event) => events([event])));
    expect((await follow(url)).states).toEqual(wholeLife);
  });

  test("by a server that knows no event ids, and tells all again each time", async () => {
    const bare = wholeLife.map((state) => stateEvent(state, ""));
    const { url } = await startServer(events(bare.slice(0, 2)), events(bare.slice(0, 4)), events(bare));
    expect((await follow(url)).states).toEqual(wholeLife);
  });

  test("past states that a later release may have, and this one does not know", async () => {
    const odd = 'id: u1/Odd\ndata: {"state":"Odd","time":"t"}\n\n';
    const { url } = await startServer(events([...lifeEvents.slice(0, 5), odd, ...lifeEvents.slice(5)]));
    const { states, error } = await follow(url);
    expect({ states, error }).toEqual({ states: wholeLife, error: undefined });
  });

  test("past what is no state: comments, and events of another type", async () => {
    const { url } = await startServer(events([": hello\n\n", "event: hint\ndata: nonsense\n\n", ...lifeEvents]));
    expect((await follow(url)).states).toEqual(wholeLife);
  });

  test("and nothing behind the last state is read", async () => {
    const { url, requests } = await startServer(events([...lifeEvents, stateEvent("Failed"), "data: nonsense\n\n"]));
    expect(await follow(url)).toMatchObject({ states: wholeLife, error: undefined });
    expect(requests).toHaveLength(1);
  });

  test("from behind the last event of an earlier stream", async () => {
    const { url, requests } = await startServer(events(lifeEvents));
    expect((await follow(url, { lastEventId: "u1/Running" })).states).toEqual(["Ready", "Stopping", "Swept"]);
    expect(requests[0]?.headers["last-event-id"]).toBe("u1/Running");
  });

  test("from behind the end there is nothing, and nobody is asked", async () => {
    const { url, requests } = await startServer(events([]));
    expect(await follow(url, { lastEventId: "u1/Swept" })).toMatchObject({ states: [], error: undefined });
    expect(requests).toHaveLength(0);
  });
});

describe("a server that is away", () => {
  test("is waited for: nobody listens, a proxy's page, 503, 429, a cut head", async () => {
    const first = await startServer(events(lifeEvents.slice(0, 2), { isCut: true }));
    let failures = 0;
    const fetchCounting: typeof fetch = async (...args) => {
      try {
        return await fetch(...args);
      } catch (error) {
        failures += 1;
        if (failures === 3) await startServerAt(first.port, ...backAgain);
        throw error;
      }
    };
    const backAgain = [
      badGatewayPage,
      json(errorBody("unavailable"), 503),
      json(errorBody("too_many_backends"), 429),
      (response: ServerResponse) => void response.destroy(),
      events(lifeEvents.slice(2)),
    ];
    const states: string[] = [];
    for await (const { state } of hurriedClient(first.url, { fetch: fetchCounting }).statusStream("b1")) {
      states.push(state);
      if (state === "Constructed") await first.stop();
    }
    expect(states).toEqual(wholeLife);
    expect(failures).toBe(4);
  });

  test("is noticed where the connection stays open and nothing comes any more", async () => {
    const { url, requests } = await startServer((response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write(lifeEvents[0]);
    }, events(lifeEvents));
    expect((await follow(url)).states).toEqual(wholeLife);
    expect(requests).toHaveLength(2);
  });

  test("is not taken for away while it sends comments, nor while its reader is slow", async () => {
    const { url, requests } = await startServer((response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write(lifeEvents[0]);
      let comments = 0;
      const timer = setInterval(() => {
        if (++comments < 10) return void response.write(":\n\n");
        clearInterval(timer);
        response.end(lifeEvents.slice(1).join(""));
      }, 50);
    });
    const states: string[] = [];
    for await (const { state } of hurriedClient(url).statusStream("b1")) {
      states.push(state);
      if (state === "Constructed") await new Promise((resolve) => setTimeout(resolve, 400));
    }
    expect(states).toEqual(wholeLife);
    expect(requests).toHaveLength(1);
  });

  test("is not waited for longer than asked: the last failure is thrown", async () => {
    const { url, requests } = await startServer(badGatewayPage);
    const client = new SpawnerClient({ url, retry: { firstMs: 5, mostMs: 20, giveUpMs: 100 } });
    const { error } = await collect(client.statusStream("b1"));
    expect(error).toMatchObject({ code: "bad_answer", status: 502, message: expect.stringContaining("given up") });
    expect(requests.length).toBeGreaterThan(1);
    expect(requests.length).toBeLessThan(60);
  });

  test("and the last failure still says when to come back", async () => {
    const { url } = await startServer(json(errorBody("unavailable"), 503, { "retry-after": "7" }));
    const client = new SpawnerClient({ url, retry: { firstMs: 5, giveUpMs: 100 } });
    const { error } = await collect(client.statusStream("b1"));
    expect(error).toMatchObject({ code: "unavailable", status: 503, id: "e1", retryAfterSeconds: 7 });
  });

  test("also where it takes every connection and says nothing new", async () => {
    const { url } = await startServer(events([stateEvent("Submitted")]));
    const client = new SpawnerClient({ url, retry: { firstMs: 5, mostMs: 20, giveUpMs: 100 } });
    const { items, error } = await collect(client.statusStream("b1"));
    expect(items).toHaveLength(1);
    expect(error).toMatchObject({ code: "unreachable", message: expect.stringContaining("given up after 0.1 s") });
  });

  test("is left in peace for as long as its Retry-After says", async () => {
    const { url } = await startServer(
      json(errorBody("unavailable"), 503, { "retry-after": "1" }),
      events(lifeEvents.slice(-1)),
    );
    const startMs = performance.now();
    expect((await follow(url)).states).toEqual(["Swept"]);
    expect(performance.now() - startMs).toBeGreaterThan(950);
  });

  test("is left in peace for as long as its stream's `retry` says", async () => {
    const { url } = await startServer(events(["retry: 400\n\n", ...lifeEvents.slice(0, 1)]), events(lifeEvents));
    const client = new SpawnerClient({ url, retry: { firstMs: 1 } });
    const startMs = performance.now();
    await collect(client.statusStream("b1"));
    expect(performance.now() - startMs).toBeGreaterThan(195);
  });
});

test.each([
  ["an unknown id", json(errorBody("not_found"), 404), { code: "not_found", status: 404, id: "e1" }],
  ["no token", json(errorBody("unauthorized"), 401), { code: "unauthorized", status: 401 }],
  ["a wrong request", json(errorBody("invalid_request"), 400), { code: "invalid_request" }],
  ["what the server cannot do", json(errorBody("not_implemented"), 501), { code: "not_implemented" }],
  ["a page that is not Spawner's", json({}, 404), { code: "bad_answer", status: 404 }],
  ["no event stream", json({ state: "Ready" }), { code: "bad_answer", status: 200 }],
  ["an event that is not JSON", events(["data: {\n\n"]), { code: "bad_answer" }],
  ["an event that is no state", events(['data: {"state":1,"time":"t"}\n\n']), { code: "bad_answer" }],
])("%s ends the stream at once, with an error", async (_, answer, expected) => {
  const { url, requests } = await startServer(answer);
  expect((await follow(url)).error).toMatchObject(expected);
  expect(requests).toHaveLength(1);
});

test("another backend that has got the same id in between is not taken for this one", async () => {
  const { url } = await startServer(events(lifeEvents.slice(0, 3)), events([stateEvent("Running", "u2")]));
  const { states, error } = await follow(url);
  expect(states).toEqual(wholeLife.slice(0, 3));
  expect(error).toMatchObject({ code: "not_found", message: expect.stringContaining("another") });
});

describe("leaving", () => {
  test("by a signal while it is silent rejects with aborted, and closes the connection", async () => {
    const closed = Promise.withResolvers<void>();
    const { url } = await startServer((response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write(stateEvent("Submitted"));
      response.on("close", closed.resolve);
    });
    const controller = new AbortController();
    const states = hurriedClient(url).statusStream("b1", { signal: controller.signal });
    expect((await states.next()).value).toMatchObject({ state: "Submitted" });
    const next = states.next();
    controller.abort(new Error("enough"));
    await expect(next).rejects.toMatchObject({ code: "aborted", cause: { message: "enough" } });
    await closed.promise;
  });

  test("by a signal while it waits for a server that is away does not wait any more", async () => {
    const { url } = await startServer(json(errorBody("unavailable"), 503, { "retry-after": "60" }));
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    expect((await follow(url, { signal: controller.signal })).error).toMatchObject({ code: "aborted" });
  });

  test("by a break closes the connection", async () => {
    const closed = Promise.withResolvers<void>();
    const { url } = await startServer((response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write(lifeEvents.slice(0, 5).join(""));
      response.on("close", closed.resolve);
    });
    for await (const { state } of hurriedClient(url).statusStream("b1")) if (state === "Ready") break;
    await closed.promise;
  });

  test("before the first state sends nothing", async () => {
    const { url, requests } = await startServer(events(lifeEvents));
    expect((await follow(url, { signal: AbortSignal.abort() })).error).toMatchObject({ code: "aborted" });
    expect(requests).toHaveLength(0);
  });

  /** A stream whose first state was read, and whose second one never comes. */
  async function startWaiting(options: { signal?: AbortSignal } = {}) {
    const closed = Promise.withResolvers<void>();
    const { url, requests } = await startServer((response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write(stateEvent("Submitted"));
      response.on("close", closed.resolve);
    });
    // Patient, so that only leaving can end the wait.
    const states = hurriedClient(url, { retry: {} }).statusStream("b1", options);
    expect(await states.next()).toMatchObject({ value: { state: "Submitted" } });
    return { states, closed: closed.promise, requests };
  }
  const done = { done: true, value: undefined };

  test("by return() while a state is waited for: the wait is done, and the connection closed", async () => {
    const { states, closed, requests } = await startWaiting();
    const waiting = [states.next(), states.next()];
    expect(await states.return()).toEqual(done);
    expect(await Promise.all([...waiting, states.next()])).toEqual([done, done, done]);
    await closed;
    expect(requests).toHaveLength(1);
  });

  test("by throw() while a state is waited for: it rejects, the wait is done, and the connection closed", async () => {
    const { states, closed } = await startWaiting();
    const waiting = states.next();
    await expect(states.throw(new Error("enough"))).rejects.toThrow("enough");
    expect(await waiting).toEqual(done);
    await closed;
  });

  test("by destroying what was made of it: a Readable of Node", async () => {
    const closed = Promise.withResolvers<void>();
    const { url } = await startServer((response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write(stateEvent("Submitted"));
      response.on("close", closed.resolve);
    });
    const readable = Readable.from(hurriedClient(url, { retry: {} }).statusStream("b1"));
    const ended = new Promise((resolve) => readable.once("close", resolve));
    readable.once("data", () => setImmediate(() => readable.destroy()));
    await Promise.all([closed.promise, ended]);
  });

  test("by the end of an `await using`", async () => {
    const { states, closed } = await startWaiting();
    const waiting = states.next();
    {
      await using _ = states;
    }
    expect(await waiting).toEqual(done);
    await closed;
  });

  test("by return() before anything is read sends nothing, then or later", async () => {
    const { url, requests } = await startServer(events(lifeEvents));
    const states = hurriedClient(url).statusStream("b1");
    expect(await states.return()).toEqual(done);
    expect(await states.next()).toEqual(done);
    expect(requests).toHaveLength(0);
  });

  test("by return() while it waits for a server that is away does not wait any more", async () => {
    const { url, requests } = await startServer(json(errorBody("unavailable"), 503, { "retry-after": "60" }));
    const states = hurriedClient(url).statusStream("b1");
    const waiting = states.next();
    await vi.waitFor(() => expect(requests).toHaveLength(1));
    await states.return();
    expect(await waiting).toEqual(done);
  });

  test("by return() takes a signal's listener back", async () => {
    const { signal } = new AbortController();
    const listeners = countListeners(signal);
    const { states } = await startWaiting({ signal });
    expect(listeners()).toBeGreaterThan(0);
    await states.return();
    await vi.waitFor(() => expect(listeners()).toBe(0));
  });
});

import { expect, test } from "vitest";
import { SpawnerClientError } from "./errors.ts";
import {
  type Answerer,
  badGatewayPage,
  errorBody,
  events,
  hurriedClient,
  json,
  startServer,
  stateEvent,
} from "./fixture.ts";

const time = "2026-01-01T00:00:00.000Z";
const state = (name: string, rest: object = {}) => json({ state: name, time, ...rest });
const crashed = { state: "Failed", time, reason: "Crashed", message: "It exited with code 3." };
const silentStream: Answerer = (response) => {
  response.writeHead(200, { "content-type": "text/event-stream" }).write(stateEvent("Submitted"));
};

test("one that is to end is not waited for until it was ready, but until it has ended", async () => {
  const swept =
    'id: u1/Swept\ndata: {"state":"Swept","time":"t","reason":"Requested","message":"It was asked to."}\n\n';
  const stream = events([stateEvent("Submitted"), stateEvent("Ready"), stateEvent("Stopping"), swept]);
  const { url } = await startServer(state("Stopping"), stream);
  const waiting = hurriedClient(url).waitUntilReady("b1");
  await expect(waiting).rejects.toMatchObject({ code: "backend_ended", reason: "Requested" });
});

test("resolves with the ready state when it comes", async () => {
  const { url } = await startServer(state("Running"), events([stateEvent("Running"), stateEvent("Ready")]));
  expect(await hurriedClient(url).waitUntilReady("b1")).toEqual({ state: "Ready", time });
});

test("resolves at once where it is ready already, without a stream", async () => {
  const { url, requests } = await startServer(state("Ready"));
  expect(await hurriedClient(url).waitUntilReady("b1")).toMatchObject({ state: "Ready" });
  expect(requests.map((request) => request.url)).toEqual(["/api/backend/b1/status"]);
});

test("rejects with the reason and message where it fails first", async () => {
  const { url } = await startServer(state("Running"), events([`data: ${JSON.stringify(crashed)}\n\n`]));
  const error = await hurriedClient(url)
    .waitUntilReady("b1")
    .catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(SpawnerClientError);
  expect(error).toMatchObject({
    code: "backend_ended",
    reason: "Crashed",
    message: expect.stringMatching(/"b1".*Crashed.*code 3/),
  });
});

test("rejects where it was ready once and is over: what its stream tells first is the past", async () => {
  const { url } = await startServer(
    state("Swept", { reason: "Idle", message: "Nobody came." }),
    events([stateEvent("Ready"), stateEvent("Swept")]),
  );
  await expect(hurriedClient(url).waitUntilReady("b1")).rejects.toMatchObject({
    code: "backend_ended",
    reason: "Idle",
  });
});

test("survives a server that is away, at first and later", async () => {
  const { url, requests } = await startServer(
    badGatewayPage,
    json(errorBody("unavailable"), 503),
    (response) => void response.destroy(),
    state("Submitted"),
    badGatewayPage,
    events([stateEvent("Submitted")], { isCut: true }),
    (response) => void response.destroy(),
    events([stateEvent("Running"), stateEvent("Ready")]),
  );
  expect(await hurriedClient(url).waitUntilReady("b1")).toMatchObject({ state: "Ready" });
  expect(requests).toHaveLength(8);
});

test("rejects at once where there is no such backend", async () => {
  const { url, requests } = await startServer(json(errorBody("not_found"), 404));
  await expect(hurriedClient(url).waitUntilReady("b1")).rejects.toMatchObject({ code: "not_found" });
  expect(requests).toHaveLength(1);
});

test.each<[string, Answerer[]]>([
  ["while the stream is silent", [state("Submitted"), silentStream]],
  ["while the server is away", [json(errorBody("unavailable"), 503, { "retry-after": "60" })]],
  ["while nothing is answered", [() => {}]],
])("rejects with timeout after its time, %s", async (_, answerers) => {
  const { url } = await startServer(...answerers);
  const startMs = performance.now();
  await expect(hurriedClient(url).waitUntilReady("b1", { timeoutMs: 200 })).rejects.toMatchObject({
    code: "timeout",
    message: expect.stringMatching(/Waiting for backend "b1".*200 ms/),
  });
  expect(performance.now() - startMs).toBeLessThan(2_000);
});

test("rejects with aborted when its caller goes", async () => {
  const { url } = await startServer(state("Submitted"), silentStream);
  const signal = AbortSignal.timeout(100);
  await expect(hurriedClient(url).waitUntilReady("b1", { signal, timeoutMs: 60_000 })).rejects.toMatchObject({
    code: "aborted",
  });
});

test("a server that asks for more patience than timers have is not asked again at once", async () => {
  const { url, requests } = await startServer(json(errorBody("unavailable"), 503, { "retry-after": "99999999999" }));
  const client = hurriedClient(url, { retry: { giveUpMs: Number.POSITIVE_INFINITY } });
  await expect(client.waitUntilReady("b1", { timeoutMs: 300 })).rejects.toMatchObject({ code: "timeout" });
  expect(requests).toHaveLength(1);
});

test("an endless time is one", async () => {
  const { url } = await startServer(state("Submitted"), events([stateEvent("Ready")]));
  expect(await hurriedClient(url).waitUntilReady("b1", { timeoutMs: Number.POSITIVE_INFINITY })).toMatchObject({
    state: "Ready",
  });
});

import type { ServerResponse } from "node:http";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { collect, errorBody, events, hurriedClient, json, startServer } from "./fixture.ts";
import type { BackendChange, BackendState } from "./protocol.ts";

const time = "2026-01-01T00:00:00.000Z";

function told(type: string, name: string, { state = "Ready" as BackendState, generation = "u1" } = {}): string {
  const times = { time, createdAt: time, transitions: [], gracePeriodSeconds: 1, terminationGracePeriodSeconds: 30 };
  return `event: ${type}\ndata: ${JSON.stringify({ name, generation, state, ...times })}\n\n`;
}

const synced = "event: synced\ndata: {}\n\n";

/** As `added b1 Ready`. */
const inShort = (change: BackendChange) =>
  change.type === "synced" ? "synced" : `${change.type} ${change.backend.name} ${change.backend.state}`;

/** The first changes, after which it is left. */
async function take(changes: AsyncIterable<BackendChange>, count: number): Promise<BackendChange[]> {
  const taken: BackendChange[] = [];
  for await (const change of changes) if (taken.push(change) === count) break;
  return taken;
}

/** Each connection but the last is ended behind its events; the last stays open. */
async function watch(count: number, ...connections: string[][]): Promise<string[]> {
  const last = connections.pop() ?? [];
  const stay = (response: ServerResponse) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write(last.join(""));
  };
  const { url } = await startServer(...connections.map((each) => events(each)), stay);
  return (await take(hurriedClient(url).watchBackends(), count)).map(inShort);
}

test("tells what there is, and what becomes of it, of those that were asked for", async () => {
  const { url, requests } = await startServer(
    events([told("added", "b1"), synced, told("changed", "b1", { state: "Swept" }), told("deleted", "b1")]),
  );
  const changes = hurriedClient(url).watchBackends({ labels: { team: "maps" }, selector: "stage in (a, b)" });
  expect((await take(changes, 4)).map(inShort)).toEqual([
    "added b1 Ready",
    "synced",
    "changed b1 Swept",
    "deleted b1 Swept",
  ]);
  expect(requests.map(({ url, headers }) => [url, headers.accept])).toEqual([
    ["/api/backends?watch=true&label=team%3Dmaps&label=stage+in+%28a%2C+b%29", "text/event-stream"],
  ]);
});

describe("over a connection that is lost", () => {
  test("nothing is told twice, and what has changed meanwhile once", async () => {
    const heard = await watch(
      6,
      [told("added", "same"), told("added", "changed", { state: "Running" }), told("added", "gone"), synced],
      [told("added", "changed"), told("added", "same"), synced, told("changed", "same", { state: "Swept" })],
    );
    expect(heard).toEqual([
      "added same Ready",
      "added changed Running",
      "added gone Ready",
      "synced",
      "changed changed Ready",
      "deleted gone Ready",
    ]);
  });

  test("the next generation of an id is another backend", async () => {
    const next = told("added", "a", { state: "Submitted", generation: "u2" });
    const heard = await watch(4, [told("added", "a"), synced], [next, synced]);
    expect(heard).toEqual(["added a Ready", "synced", "deleted a Ready", "added a Submitted"]);
  });

  test("before all was told, `synced` comes when it was", async () => {
    const heard = await watch(
      4,
      [told("added", "a"), told("added", "b")],
      [told("added", "b"), told("added", "c"), synced],
    );
    expect(heard).toEqual(["added a Ready", "added b Ready", "added c Ready", "deleted a Ready"]);
  });

  test("also by a server that says that it is going away, or is not there for a while", async () => {
    const closed = `event: closed\ndata: ${JSON.stringify({ code: "unavailable", message: "Ask again." })}\n\n`;
    const { url, requests } = await startServer(
      events([synced, closed, told("added", "never")]),
      json(errorBody("unavailable"), 503),
      events([told("added", "a"), synced]),
    );
    expect((await take(hurriedClient(url).watchBackends(), 2)).map(inShort)).toEqual(["synced", "added a Ready"]);
    expect(requests).toHaveLength(3);
  });
});

test("one that goes on in silence counts as lost", async () => {
  const silent = (response: ServerResponse) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write(synced);
  };
  const { url } = await startServer(silent, events([told("added", "a")]));
  expect((await take(hurriedClient(url).watchBackends(), 2)).map(inShort)).toEqual(["synced", "added a Ready"]);
});

test.each([
  ["a token that is not good for it", json(errorBody("forbidden_role"), 403), { code: "forbidden_role", status: 403 }],
  ["a selector that is none", json(errorBody("invalid_request"), 400), { code: "invalid_request" }],
  ["a server that gives a page instead", json({ backends: [] }), { code: "bad_answer" }],
  ["a change of nothing", events(["event: added\ndata: {}\n\n"]), { code: "bad_answer" }],
])("%s ends it at once, with an error", async (_, answer, expected) => {
  const { url, requests } = await startServer(answer);
  expect((await collect(hurriedClient(url).watchBackends())).error).toMatchObject(expected);
  expect(requests).toHaveLength(1);
});

test("a server that closes each one as soon as it is open is given up", async () => {
  const { url } = await startServer(events([]));
  const client = hurriedClient(url, { retry: { firstMs: 5, mostMs: 20, giveUpMs: 100 } });
  expect((await collect(client.watchBackends())).error).toMatchObject({ code: "unreachable" });
});

test("it is left at once, also while it waits; its connection is closed", async () => {
  const left = vi.fn<() => void>();
  const { url } = await startServer((response) => {
    response.on("close", left).writeHead(200, { "content-type": "text/event-stream" }).write(synced);
  });
  const leaving = new AbortController();
  onTestFinished(() => leaving.abort());
  const changes = hurriedClient(url, { retry: { silenceMs: 60_000 } }).watchBackends({ signal: leaving.signal });
  expect(await changes.next()).toEqual({ done: false, value: { type: "synced" } });
  const next = changes.next();
  await changes.return();
  expect(await next).toEqual({ done: true, value: undefined });
  await vi.waitFor(() => expect(left).toHaveBeenCalled());
});

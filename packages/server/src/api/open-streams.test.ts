import type { SpawnResponse } from "@spawner/client";
import { expect, test, vi } from "vitest";
import { FakeClock } from "../lib/fake-clock.ts";
import { converse, startApi } from "./fixture.ts";
import { StatusHub } from "./status-hub.ts";
import { openStatusStream } from "./status-stream.ts";

type TestApi = Awaited<ReturnType<typeof startApi>>;

async function spawn(api: TestApi): Promise<string> {
  return ((await (await api.post("{}")).json()) as SpawnResponse).name;
}

async function openStreams({ url }: TestApi): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^spawner_api_open_streams (\d+)$/m.exec(text)?.[1]);
}

test("no more streams are served than may be open; one that ends makes room", async () => {
  const api = await startApi({ streamsMax: 2 });
  const id = await spawn(api);
  const left = new AbortController();
  await fetch(`${api.url}/backend/${id}/status/stream`, { signal: left.signal });
  await fetch(`${api.url}/backend/${id}/logs?follow=true`);
  for (const path of [`/backend/${id}/status/stream`, `/backend/${id}/logs`]) {
    const refused = await fetch(`${api.url}${path}`);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(await refused.json()).toMatchObject({
      code: "too_many_connections",
      message: expect.stringContaining("2 streams"),
    });
  }
  expect((await fetch(`${api.url}/backend/${id}/logs`, { method: "HEAD" })).status).toBe(200);
  left.abort();
  await vi.waitFor(async () => expect((await fetch(`${api.url}/backend/${id}/status/stream`)).status).toBe(200));
});

test("a client that leaves while its backend is looked up leaves no stream behind", async () => {
  const looked = Promise.withResolvers<void>();
  const api = await startApi();
  const id = await spawn(api);
  const { get } = api.engine.backends;
  let asked = 0;
  api.engine.backends.get = async (name) => {
    asked += 1;
    await looked.promise;
    return get.call(api.engine.backends, name);
  };
  const clients = [`/backend/${id}/status/stream`, `/backend/${id}/logs?follow=true`].map((path) => {
    const { socket, write, closed } = converse(api.port);
    write(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`);
    return { socket, closed };
  });
  await vi.waitFor(() => expect(asked).toBe(2));
  for (const { socket } of clients) socket.destroy();
  await Promise.all(clients.map(({ closed }) => closed));
  // The server has seen it too.
  await vi.waitFor(() =>
    expect(process.getActiveResourcesInfo().filter((kind) => kind === "TCPSocketWrap").length).toBeLessThan(3),
  );
  looked.resolve();
  expect(await openStreams(api)).toBe(0);
  await api.close();
});

test("who follows the logs of a backend whose record is deleted is told the end", async () => {
  const api = await startApi();
  const id = await spawn(api);
  const response = await fetch(`${api.url}/backend/${id}/logs?follow=true`);
  await api.forget(id);
  expect(await response.text()).toBe("");
});

test("a stream that has ended sends no heartbeat to a reader that has not taken the end yet", async () => {
  const api = await startApi();
  const { engine } = api;
  await api.end(await spawn(api), "Idle");
  const [backend] = (await engine.backends.list()).items;
  if (backend === undefined) throw new Error("no backend");
  const clock = new FakeClock();
  const hub = new StatusHub(engine.backends);
  const { stream } = openStatusStream({ clock, compat: false, engine, hub }, { backend, lastEventId: undefined });
  clock.advance(60_000);
  expect((await stream.toArray()).join("")).toMatch(/"state":"Swept".*\n\n$/);
  hub.close();
});

test("a thousand streams at once are told of the end, and are gone after it", async () => {
  const api = await startApi();
  const id = await spawn(api);
  const streams = Array.from({ length: 1_000 }, () => {
    const { write, closed } = converse(api.port);
    write(`GET /backend/${id}/status/stream HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`);
    return closed;
  });
  await vi.waitFor(async () => expect(await openStreams(api)).toBe(1_000), { timeout: 20_000 });
  await api.end(id, "Requested");
  for (const text of await Promise.all(streams)) expect(text).toContain('"state":"Swept"');
  expect(await openStreams(api)).toBe(0);
});

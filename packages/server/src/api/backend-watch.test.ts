import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { BackendView, SpawnResponse } from "@spawner/client";
import { expect, onTestFinished, test, vi } from "vitest";
import { parseLabelSelector } from "../core/label-selector.ts";
import { nameMapping } from "../core/names.ts";
import type { Backend } from "../core/resource.ts";
import type { BackendChange, Engine } from "../engine/engine.ts";
import { FakeClock } from "../lib/fake-clock.ts";
import { openBackendWatch } from "./backend-watch.ts";
import { startApi } from "./fixture.ts";

type TestApi = Awaited<ReturnType<typeof startApi>>;

interface Event {
  readonly type: string;
  readonly data: Partial<BackendView> & { code?: string; message?: string };
}

function eventsIn(text: string): Event[] {
  return [...text.matchAll(/^event: (\w+)\ndata: (.*)$/gm)].map(([, type = "", data = ""]) => ({
    type,
    data: JSON.parse(data) as Event["data"],
  }));
}

/** As `added b1 Ready`. */
const inShort = (events: readonly Event[]) =>
  events.map(({ type, data }) => [type, data.name, data.state].filter((each) => each !== undefined).join(" "));

async function watch({ url }: TestApi, query = "") {
  const leaving = new AbortController();
  onTestFinished(() => leaving.abort());
  const response = await fetch(`${url}/backends?watch=true${query}`, { signal: leaving.signal });
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  let text = "";
  const ended = (async () => {
    for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) text += part;
  })().catch(() => {}); // that it was left
  return {
    until: (...expected: string[]) => vi.waitFor(() => expect(inShort(eventsIn(text))).toEqual(expected)),
    events: () => eventsIn(text),
    ended,
    leave: () => leaving.abort(),
  };
}

async function spawn(api: TestApi): Promise<string> {
  return ((await (await api.post("{}")).json()) as SpawnResponse).name;
}

const openStreams = async ({ url }: TestApi) =>
  Number(/^spawner_api_open_streams (\d+)$/m.exec(await (await fetch(`${url}/metrics`)).text())?.[1]);

test("tells of those that are there, then of each as it comes, changes and goes", async () => {
  const api = await startApi();
  const first = await spawn(api);
  const { until, events } = await watch(api);
  await until(`added ${first} Submitted`, "synced");
  const second = await spawn(api);
  await api.reach(first, "Constructed", "Scheduled", "Running", "Ready");
  await api.end(first, "Idle");
  await api.forget(first);
  const later = [
    `added ${second} Submitted`,
    `changed ${first} Ready`,
    `changed ${first} Swept`,
    `deleted ${first} Swept`,
  ];
  await until(`added ${first} Submitted`, "synced", ...later);
  const shown = (await (await fetch(`${api.url}/backend/${second}`)).json()) as BackendView;
  expect(events()[2]?.data).toEqual(shown);
});

test("tells of those alone that the labels select, and of no others' names", async () => {
  const api = await startApi();
  await spawn(api);
  const create = (name: string, team: string) =>
    api.engine.backends.create({ name, labels: { team }, spec: { template: { containers: [{}] } } });
  await create("spawner-ours", "maps");
  await create("without-prefix", "maps");
  const { until } = await watch(api, "&label=team+in+(maps,art)&label=!old");
  await until("added ours Submitted", "synced");
  await create("spawner-others", "web");
  await create("spawner-later", "art");
  await until("added ours Submitted", "synced", "added later Submitted");
});

test("it needs a token that may read", async () => {
  const folder = mkdtempSync(join(tmpdir(), "spawner-tokens-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const tokensFile = join(folder, "tokens");
  const [reader, spawner] = ["a-token-that-may-read", "a-token-that-may-spawn"];
  writeFileSync(tokensFile, `${reader} read\n${spawner} spawn\n`, { mode: 0o600 });
  const { url } = await startApi({ auth: { kind: "tokens", tokensFile } });
  const leaving = new AbortController();
  onTestFinished(() => leaving.abort());
  const statuses = [undefined, spawner, reader].map(async (token) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return (await fetch(`${url}/backends?watch=true`, { headers, signal: leaving.signal })).status;
  });
  expect(await Promise.all(statuses)).toEqual([401, 403, 200]);
});

test("a reader that leaves leaves nothing behind", async () => {
  const api = await startApi();
  const { until, leave, ended } = await watch(api);
  await until("synced");
  expect(await openStreams(api)).toBe(1);
  leave();
  await ended;
  await vi.waitFor(async () => expect(await openStreams(api)).toBe(0));
});

test("a server that ends says so, and a HEAD is answered without a stream", async () => {
  const api = await startApi();
  const { until, ended, events } = await watch(api);
  await until("synced");
  const head = await fetch(`${api.url}/backends?watch=true`, { method: "HEAD" });
  expect([head.status, head.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  await api.quiesce({ mostMs: 5_000, signal: new AbortController().signal });
  await ended;
  expect(events().at(-1)).toMatchObject({ type: "closed", data: { code: "unavailable" } });
});

const backendOf = (name: string, uid: string, labels: Record<string, string> = {}): Backend => ({
  metadata: { name, uid, resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z", labels },
  spec: { template: { containers: [{}] } },
  status: {},
});

/** A watch over a store that tells what the test says. */
function watchStore(selector: string) {
  let tell: (change: BackendChange) => void = () => expect.unreachable();
  const unwatch = vi.fn<() => void>();
  const backends = {
    watch: (onChange: typeof tell) => {
      tell = onChange;
      return unwatch;
    },
  };
  const clock = new FakeClock();
  const engine = { backends } as unknown as Engine;
  const deps = { clock, engine, names: nameMapping(""), urls: {} };
  const { stream } = openBackendWatch(deps, parseLabelSelector(selector));
  onTestFinished(() => void stream.destroy());
  return { clock, stream, unwatch, tell: (change: BackendChange) => tell(change) };
}

async function readAll(stream: Readable): Promise<string> {
  return Buffer.concat(await stream.toArray()).toString();
}

function collect(stream: Readable) {
  let text = "";
  stream.on("data", (part) => {
    text += part;
  });
  return () => text;
}

test("one whose labels are not asked for any more is deleted, and added when they are again", async () => {
  const { stream, tell } = watchStore("team=maps");
  const text = collect(stream);
  const maps = { team: "maps" };
  tell({ kind: "changed", backend: backendOf("a", "1", maps) });
  tell({ kind: "changed", backend: backendOf("b", "2") });
  tell({ kind: "synced" });
  tell({ kind: "changed", backend: backendOf("a", "1") });
  tell({ kind: "changed", backend: backendOf("a", "1") });
  tell({ kind: "deleted", backend: backendOf("b", "2") });
  tell({ kind: "changed", backend: backendOf("a", "1", maps) });
  const expected = ["added a Submitted", "synced", "deleted a Submitted", "added a Submitted"];
  await vi.waitFor(() => expect(inShort(eventsIn(text()))).toEqual(expected));
});

test("the next generation of a name is another backend, and what is told late of the former one is not it", async () => {
  const { stream, tell } = watchStore("");
  const text = collect(stream);
  tell({ kind: "changed", backend: backendOf("a", "old") });
  tell({ kind: "deleted", backend: backendOf("a", "old") });
  tell({ kind: "changed", backend: backendOf("a", "new") });
  tell({ kind: "deleted", backend: backendOf("a", "old") });
  await vi.waitFor(() =>
    expect(eventsIn(text()).map(({ type, data }) => `${type} ${data.generation}`)).toEqual([
      "added old",
      "deleted old",
      "added new",
    ]),
  );
});

test("a stream that has nothing to tell says within 15 seconds that it lives, again and again", async () => {
  const { clock, stream, tell } = watchStore("");
  const text = collect(stream);
  tell({ kind: "synced" });
  for (const beats of [1, 2]) {
    const expected = `event: synced\ndata: {}\n\n${":\n\n".repeat(beats)}`;
    const startMs = clock.monotonicMs();
    await vi.waitFor(() => {
      if (text() !== expected) clock.advance(1_000);
      expect(text()).toBe(expected);
    });
    expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(15_000);
  }
});

test("what there is waits for a slow reader, however much it is; too many changes end it, with the reason", async () => {
  const { stream, tell, unwatch } = watchStore("");
  const many = Array.from({ length: 5_000 }, (_, index) => backendOf(`b${index}`, String(index)));
  for (const backend of many) tell({ kind: "changed", backend });
  tell({ kind: "synced" });
  for (const backend of many.slice(0, 900)) tell({ kind: "changed", backend });
  expect(unwatch).not.toHaveBeenCalled();
  for (const backend of many.slice(0, 200)) tell({ kind: "changed", backend });
  expect(unwatch).toHaveBeenCalled();
  const events = eventsIn(await readAll(stream));
  expect(events.length).toBeLessThan(500);
  expect(events.at(-1)).toMatchObject({ type: "closed", data: { code: "timeout", message: /6001 changes waited/ } });
});

test("a reader that was too slow, and does not take the reason either, is cut off", async () => {
  const { stream, tell, clock } = watchStore("");
  tell({ kind: "synced" });
  for (let count = 0; count <= 1_001; count++) tell({ kind: "changed", backend: backendOf("a", "1") });
  expect(stream.destroyed).toBe(false);
  clock.advance(5_000);
  expect(stream.destroyed).toBe(true);
});

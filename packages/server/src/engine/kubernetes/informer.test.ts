import type { ServerResponse } from "node:http";
import fc from "fast-check";
import { expect, onTestFinished, test, vi } from "vitest";
import { FakeClock } from "../../lib/fake-clock.ts";
import { type Log, silentLog } from "../../lib/log.ts";
import { answer, refuse, ScriptedServer } from "./fixtures/scripted-server.ts";
import { HttpsKubeClient } from "./https-kube-client.ts";
import { Informer, type InformerChange } from "./informer.ts";
import { InformerCache } from "./informer-cache.ts";
import type { KubeObject } from "./objects.ts";
import { watchSilenceMs } from "./watch-stream.ts";

interface Thing extends KubeObject {
  readonly text?: string;
}

const thing = (name: string, version: number | string, more: { uid?: string; text?: string } = {}): Thing => ({
  metadata: { name, uid: more.uid ?? `uid-${name}`, resourceVersion: `${version}`, creationTimestamp: "" },
  ...(more.text === undefined ? {} : { text: more.text }),
});
const event = (type: string, object: object) => `${JSON.stringify({ type, object })}\n`;
const bookmark = (version: number) => event("BOOKMARK", { metadata: { resourceVersion: `${version}` } });
const expired = { code: 410, reason: "Expired", message: "too old" };

/** An API server with one collection, whose list and watches a test scripts. */
class Cluster {
  items: Thing[] = [];
  version = 1;
  /** The watches that are open, oldest first. */
  readonly watches: { readonly from: string; readonly response: ServerResponse }[] = [];
  lists = 0;
  refuseWatch: ((response: ServerResponse) => void) | undefined;
  readonly server: ScriptedServer;

  private constructor(server: ScriptedServer) {
    this.server = server;
    server.handler = (request, response) => {
      const { searchParams } = new URL(request.url ?? "", "http://host");
      if (searchParams.has("watch")) this.#watch(searchParams.get("resourceVersion") ?? "", response);
      else this.#list(Number(searchParams.get("continue") ?? 0), response);
    };
  }

  static async open(): Promise<Cluster> {
    return new Cluster(await ScriptedServer.open());
  }

  #list(start: number, response: ServerResponse): void {
    this.lists += 1;
    const end = start + 2; // pages of two, whatever is asked for
    const metadata = { resourceVersion: `${this.version}`, ...(end < this.items.length ? { continue: `${end}` } : {}) };
    answer(response, { metadata, items: this.items.slice(start, end) });
  }

  #watch(from: string, response: ServerResponse): void {
    if (this.refuseWatch !== undefined) return this.refuseWatch(response);
    response.writeHead(200);
    response.flushHeaders();
    this.watches.push({ from, response });
    response.once("close", () =>
      this.watches.splice(
        this.watches.findIndex((each) => each.response === response),
        1,
      ),
    );
  }

  /** The watch that was begun at this version, once it is there. */
  watchFrom(version: number): Promise<ServerResponse> {
    return vi.waitFor(() => {
      const found = this.watches.find(({ from }) => from === `${version}`);
      if (found === undefined) throw new Error(`no watch from ${version}: ${this.watches.map(({ from }) => from)}`);
      return found.response;
    }, waiting);
  }
}

const waiting = { timeout: 5_000, interval: 5 };

async function start(cluster?: Cluster, log: Log = silentLog) {
  const ours = cluster ?? (await Cluster.open());
  const clock = new FakeClock();
  const client = new HttpsKubeClient({ server: ours.server.url, namespace: "test", tls: {} }, { clock });
  const informer = new Informer<Thing>({
    client,
    clock,
    log,
    what: "things",
    path: "/things",
    keep: (object) => object,
  });
  const heard: string[] = [];
  informer.watch((change) => heard.push(say(change)));
  onTestFinished(async () => {
    await informer.close();
    client.close();
    await vi.waitFor(() => expect(ours.server.connections).toBe(0), waiting);
  });
  /** Lets time pass until something holds. */
  const eventually = (assertion: () => void) =>
    vi.waitFor(() => {
      clock.advance(100);
      assertion();
    }, waiting);
  return { cluster: ours, clock, informer, heard, eventually };
}

function say(change: InformerChange<Thing>): string {
  if (change.kind === "synced") return "synced";
  const { name, resourceVersion, uid } = change.item.metadata;
  return `${change.kind === "deleted" ? "-" : ""}${name}@${resourceVersion}${uid === `uid-${name}` ? "" : ` of ${uid}`}`;
}

const told = (heard: readonly string[], expected: readonly string[]) =>
  vi.waitFor(() => expect(heard).toEqual(expected), waiting);

test("it has everything only when the last page is there, and goes on from the list's version", async () => {
  const cluster = await Cluster.open();
  cluster.items = ["a", "b", "c", "d", "e"].map((name, index) => thing(name, index + 1));
  cluster.version = 9;
  const { informer, heard } = await start(cluster);
  expect(informer.hasSynced).toBe(false);
  await told(heard, ["a@1", "b@2", "c@3", "d@4", "e@5", "synced"]);
  expect(cluster.lists).toBe(3);
  (await cluster.watchFrom(9)).write(event("MODIFIED", thing("a", 10)) + event("DELETED", thing("b", 11)));
  await vi.waitFor(() => expect(heard.slice(6)).toEqual(["a@10", "-b@11"]), waiting);
  expect([...informer.items()].map(({ metadata }) => metadata.name)).toEqual(["a", "c", "d", "e"]);
});

test("whoever watches later is told what there is first", async () => {
  const { cluster, informer, heard } = await start();
  (await cluster.watchFrom(1)).write(event("ADDED", thing("a", 2)));
  await told(heard, ["synced", "a@2"]);
  const later: string[] = [];
  const stop = informer.watch((change) => later.push(say(change)));
  expect(later).toEqual([]);
  (await cluster.watchFrom(1)).write(event("MODIFIED", thing("a", 3)));
  await told(later, ["a@2", "synced", "a@3"]);
  stop();
  (await cluster.watchFrom(1)).write(event("MODIFIED", thing("a", 4)));
  await told(heard, ["synced", "a@2", "a@3", "a@4"]);
  expect(later).toHaveLength(3);
});

test("a watch that is cut in the midst of an event, and of a character, goes on where it was", async () => {
  const { cluster, heard, informer, eventually } = await start();
  const first = await cluster.watchFrom(1);
  const bytes = Buffer.from(event("ADDED", thing("b", 3, { text: "grün" })));
  const middle = bytes.indexOf(0xc3) + 1;
  first.write(event("ADDED", thing("a", 2)));
  first.write(bytes.subarray(0, middle));
  await told(heard, ["synced", "a@2"]);
  cluster.server.cut();
  await eventually(() => expect(cluster.watches.map(({ from }) => from)).toEqual(["2"]));
  const second = await cluster.watchFrom(2);
  second.write(bytes.subarray(0, middle));
  await new Promise((resolve) => setImmediate(resolve));
  second.write(bytes.subarray(middle));
  await told(heard, ["synced", "a@2", "b@3"]);
  expect(informer.get("b")?.text).toBe("grün");
  expect(cluster.lists).toBe(1);
});

test("a bookmark moves the place where it goes on, and the end that the server makes costs no wait", async () => {
  const { cluster, heard } = await start();
  (await cluster.watchFrom(1)).end(bookmark(50));
  (await cluster.watchFrom(50)).end(bookmark(60));
  (await cluster.watchFrom(60)).write(event("ADDED", thing("a", 61)));
  await told(heard, ["synced", "a@61"]);
  expect(cluster.lists).toBe(1);
});

test.each([
  ["before it begins", (response: ServerResponse) => refuse(response, 410, "Expired")],
  ["within it", (response: ServerResponse) => void response.writeHead(200).end(event("ERROR", expired))],
])("what is forgotten, said %s, is listed anew: also what went meanwhile is told", async (_, say410) => {
  const cluster = await Cluster.open();
  cluster.items = [thing("a", 1), thing("b", 1), thing("c", 1)];
  const { heard, eventually } = await start(cluster);
  const first = await cluster.watchFrom(1);
  cluster.items = [thing("a", 1), thing("b", 5), thing("c", 6, { uid: "another" }), thing("d", 7)];
  cluster.version = 8;
  cluster.refuseWatch = (response) => {
    cluster.refuseWatch = undefined;
    say410(response);
  };
  first.destroy();
  await eventually(() => expect(cluster.watches.map(({ from }) => from)).toEqual(["8"]));
  await told(heard, ["a@1", "b@1", "c@1", "synced", "b@5", "-c@1", "c@6 of another", "d@7"]);
  cluster.items = [];
  cluster.version = 20;
  (await cluster.watchFrom(8)).end(event("ERROR", expired));
  await eventually(() => expect(heard.slice(8).sort()).toEqual(["-a@1", "-b@5", "-c@6 of another", "-d@7"]));
});

test.each([
  [403, "Forbidden", "warn"],
  [404, "NotFound", "warn"],
  [410, "Expired", "info"],
] as const)(
  "a watch that is refused with %i is told once, as what somebody has to mend or not",
  async (status, reason, level) => {
    const lines: string[] = [];
    const log = { ...silentLog, warn: () => lines.push("warn"), info: () => lines.push("info") };
    const cluster = await Cluster.open();
    cluster.refuseWatch = (response) => refuse(response, status, reason);
    const { eventually } = await start(cluster, log);
    await eventually(() => expect(lines[0]).toBe(level));
  },
);

test("a server that forgets at once, again and again, is not asked without a pause", async () => {
  const { cluster, clock, eventually } = await start();
  await cluster.watchFrom(1);
  cluster.refuseWatch = (response) => refuse(response, 410, "Expired");
  cluster.server.cut();
  await eventually(() => expect(cluster.lists).toBeGreaterThan(4));
  const before = cluster.lists;
  clock.advance(60_000);
  await eventually(() => expect(cluster.lists).toBeGreaterThan(before));
  expect(cluster.lists).toBeLessThan(before + 3);
});

test("what comes twice, late or in another order changes nothing that is newer", async () => {
  const { cluster, heard } = await start();
  const watch = await cluster.watchFrom(1);
  for (const [type, object] of [
    ["ADDED", thing("a", 9)],
    ["ADDED", thing("a", 9)],
    ["MODIFIED", thing("b", 12)],
    ["MODIFIED", thing("a", 8)],
    ["MODIFIED", thing("a", 10)], // later than b's, though its version is earlier
    ["DELETED", thing("a", 7)],
    ["DELETED", thing("b", 13)],
    ["DELETED", thing("b", 13)],
    ["MODIFIED", thing("b", 12)],
    ["ADDED", thing("b", 14, { uid: "second" })],
    ["DELETED", thing("b", 13)],
    ["MODIFIED", thing("a", 100)],
  ] as const) {
    watch.write(event(type, object));
  }
  await told(heard, ["synced", "a@9", "b@12", "a@10", "-b@13", "b@14 of second", "a@100"]);
});

test("versions that are no numbers are taken as they come", async () => {
  const cluster = await Cluster.open();
  cluster.items = [thing("a", "x")];
  const { heard } = await start(cluster);
  const watch = await cluster.watchFrom(1);
  watch.write(
    event("MODIFIED", thing("a", "x")) + event("MODIFIED", thing("a", "w")) + event("DELETED", thing("a", "v")),
  );
  await told(heard, ["a@x", "synced", "a@w", "-a@v"]);
});

test("while the API server is away what was heard last stands, and then everything goes on", async () => {
  const cluster = await Cluster.open();
  cluster.items = [thing("a", 1), thing("b", 1)];
  const { heard, informer, clock, eventually } = await start(cluster);
  await cluster.watchFrom(1);
  await cluster.server.stop();
  for (let minute = 0; minute < 20; minute += 1) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    clock.advance(60_000);
  }
  expect(informer.get("a")).toBeDefined();
  expect(informer.hasSynced).toBe(true);
  cluster.refuseWatch = (response) => {
    cluster.refuseWatch = undefined;
    refuse(response, 410, "Expired");
  };
  cluster.items = [thing("b", 7)];
  cluster.version = 7;
  await cluster.server.start();
  await eventually(() => expect(heard).toEqual(["a@1", "b@1", "synced", "-a@1", "b@7"]));
});

test("a watch on which nothing comes any more is given up, and what it did not tell is listed", async () => {
  const { cluster, heard, clock, eventually } = await start();
  const first = await cluster.watchFrom(1);
  first.write(event("ADDED", thing("y", 2)));
  await told(heard, ["synced", "y@2"]);
  clock.advance(watchSilenceMs - 1);
  first.write(event("MODIFIED", thing("y", 3)));
  await told(heard, ["synced", "y@2", "y@3"]);
  clock.advance(watchSilenceMs - 1);
  expect(first.destroyed).toBe(false);
  cluster.items = [thing("y", 3), thing("a", 4)];
  cluster.version = 4;
  clock.advance(1);
  await eventually(() => expect(heard).toEqual(["synced", "y@2", "y@3", "a@4"]));
  await cluster.watchFrom(4);
});

test("what this process wrote is what it reads, until the watch has come as far", async () => {
  const { cluster, heard, informer } = await start();
  const watch = await cluster.watchFrom(1);
  informer.note(thing("a", 5));
  expect(informer.get("a")?.metadata.resourceVersion).toBe("5");
  watch.write(event("ADDED", thing("a", 4)));
  await told(heard, ["synced", "a@4"]);
  expect(informer.get("a")?.metadata.resourceVersion).toBe("5");
  informer.note(thing("a", 3));
  expect([...informer.items()].map(({ metadata }) => metadata.resourceVersion)).toEqual(["5"]);
  watch.write(event("MODIFIED", thing("a", 5)) + event("MODIFIED", thing("a", 6)));
  await told(heard, ["synced", "a@4", "a@5", "a@6"]);
  expect(informer.get("a")?.metadata.resourceVersion).toBe("6");
  informer.noteAbsent({ name: "a", uid: "uid-a" });
  expect(informer.get("a")).toBeUndefined();
  watch.write(event("DELETED", thing("a", 7)) + event("ADDED", thing("a", 8, { uid: "next" })));
  await vi.waitFor(() => expect(informer.get("a")?.metadata.uid).toBe("next"), waiting);
});

test("an answer to a write that comes after word of the object's end brings it not back", async () => {
  const { cluster, heard, informer } = await start();
  const watch = await cluster.watchFrom(1);
  watch.write(event("ADDED", thing("a", 4)) + event("DELETED", thing("a", 6)));
  await told(heard, ["synced", "a@4", "-a@6"]);
  informer.note(thing("a", 5));
  expect(informer.get("a")).toBeUndefined();
  expect([...informer.items()]).toEqual([]);
});

test("closed before everything was heard, whoever waits for it is told", async () => {
  const { cluster, informer } = await start();
  const unstarted = new Informer<Thing>({
    client: new HttpsKubeClient({ server: cluster.server.url, namespace: "", tls: {} }, { clock: new FakeClock() }),
    clock: new FakeClock(),
    log: silentLog,
    what: "things",
    path: "/things",
    keep: (object) => object,
  });
  const waits = unstarted.synced;
  await unstarted.close();
  await expect(waits).rejects.toMatchObject({ code: "unavailable" });
  await informer.synced;
});

test("whatever is delivered twice or late, each object is told in its own order, and ends as it did", () => {
  /** A history: for each write, the name, and whether it deletes. */
  const history = fc.array(fc.record({ name: fc.constantFrom("a", "b"), deletes: fc.boolean() }), { maxLength: 12 });
  fc.assert(
    fc.property(history, fc.infiniteStream(fc.nat(1000)), (writes, chances) => {
      const events: { type: "changed" | "deleted"; item: Thing }[] = [];
      const living = new Map<string, string>();
      for (const [index, { name, deletes }] of writes.entries()) {
        const version = index + 1;
        const uid = living.get(name);
        if (deletes && uid === undefined) continue;
        if (deletes) living.delete(name);
        else living.set(name, uid ?? `uid-${version}`);
        const item = thing(name, version, { uid: uid ?? `uid-${version}` });
        events.push({ type: deletes ? "deleted" : "changed", item });
      }
      const cache = new InformerCache<Thing>();
      cache.replace([], "0");
      const chance = () => (chances.next().value as number) % 3 === 0;
      for (const [index, each] of events.entries()) {
        cache[each.type](each.item);
        for (const earlier of events.slice(0, index + 1)) if (chance()) cache[earlier.type](earlier.item);
      }
      const left = [...cache.items()].map(({ metadata }) => [metadata.name, metadata.uid]);
      expect(new Map(left as [string, string][])).toEqual(living);
    }),
  );
});

import { type BackendChange, SpawnerClient, type StatusMessage } from "@spawner/client";
import { expect, onTestFinished, test } from "vitest";
import type { Backend } from "../../packages/server/src/core/resource.ts";
import type { LivingState } from "../../packages/server/src/core/states.ts";
import { endedPatch, reachedPatch, type StatusPatch } from "../../packages/server/src/core/status.ts";
import { KubernetesEngine } from "../../packages/server/src/engine/kubernetes/index.ts";
import { systemClock } from "../../packages/server/src/lib/clock.ts";
import { silentLog } from "../../packages/server/src/lib/log.ts";
import { eventually } from "../support/cluster/eventually.ts";
import { kubectl } from "../support/cluster/kubectl.ts";
import { readSession, sessionSpec } from "../support/cluster/session.ts";
import { openStage } from "../support/cluster/stage.ts";

/** Two apis, and no controller: the test says what becomes of backends. */
async function openTwoApis() {
  const { client, namespace, start, defer } = await openStage();
  const engine = defer(
    await KubernetesEngine.open({ client, clock: systemClock, log: silentLog, controlKey: () => undefined }),
  );
  const [first, second] = await Promise.all([start("api"), start("api")]);
  const read = async (name: string) => (await readSession(client, name)) ?? expect.unreachable();
  const patch = async (name: string, build: (backend: Backend) => StatusPatch | undefined) => {
    const backend = await read(name);
    const { uid, resourceVersion } = backend.metadata;
    return engine.backends.patchStatus({ name, uid, resourceVersion }, build(backend) ?? {});
  };
  return {
    namespace,
    engine,
    first,
    second,
    read,
    create: (name: string, labels: Record<string, string> = {}) =>
      engine.backends.create({ name, labels, spec: sessionSpec("echoes") }),
    reach: (name: string, ...states: LivingState[]) =>
      patch(name, (backend) => reachedPatch(backend, Object.fromEntries(states.map((state) => [state, new Date()])))),
    end: (name: string) =>
      patch(name, (backend) =>
        endedPatch(backend, { reason: "Requested", message: "It was asked to.", at: new Date() }),
      ),
    forget: async (name: string) => {
      const { uid } = (await read(name)).metadata;
      await engine.backends.delete({ name, uid });
    },
  };
}

/** A client of one api after the other: of the first whose `url` is there. */
function clientOf(...urls: string[]): SpawnerClient {
  return new SpawnerClient({
    url: "http://spawner.example",
    retry: { firstMs: 20, mostMs: 200 },
    fetch: async (asked, init) => {
      const [url = "", next] = urls;
      try {
        return await fetch(String(asked).replace("http://spawner.example", url), init);
      } catch (error) {
        if (next !== undefined && init?.signal?.aborted !== true) urls.shift();
        throw error;
      }
    },
  });
}

const wholeLife = ["Submitted", "Constructed", "Scheduled", "Running", "Ready", "Stopping", "Swept"];

async function collect(statuses: AsyncIterable<StatusMessage>, told: string[] = []): Promise<string[]> {
  for await (const { state } of statuses) told.push(state);
  return told;
}

test("a life is told once and whole, though the api that tells it is killed, and by any api afterwards", async () => {
  const { create, reach, end, first, second } = await openTwoApis();
  await create("life");
  await reach("life", "Constructed", "Scheduled");
  const told: string[] = [];
  const following = collect(clientOf(first.url, second.url).statusStream("life"), told);
  await reach("life", "Running");
  await eventually(() => expect(told).toContain("Running"));
  await first.end("SIGKILL");
  await reach("life", "Ready");
  await clientOf(second.url).stop("life");
  await eventually(() => expect(told.at(-1)).toBe("Stopping"));
  await end("life");
  await following;
  expect(told).toEqual(wholeLife);
  expect(await collect(clientOf(second.url).statusStream("life"))).toEqual(wholeLife);
});

test("each generation of a name has a stream of its own, which ends with it", async () => {
  const { create, reach, end, forget, first, second } = await openTwoApis();
  const old = await create("again");
  const streams = [first, second].map(({ url }) => clientOf(url).statusStream("again"));
  const told = streams.map((stream) => collect(stream));
  await eventually(() => expect(streams.map(({ lastEventId }) => lastEventId)).not.toContain(undefined));
  await forget("again");
  for (const states of await Promise.all(told)) expect(states).toEqual(["Submitted", "Swept"]);

  await create("again");
  await reach("again", "Constructed");
  const client = clientOf(second.url);
  const answer = await fetch(`${second.url}/backend/again/status/stream`, {
    headers: { "last-event-id": `${old.metadata.uid}/Swept` },
  });
  await end("again");
  expect([...(await answer.text()).matchAll(/"state":"(\w+)"/g)].map(([, state]) => state)).toEqual([
    "Submitted",
    "Constructed",
    "Swept",
  ]);
  // Who goes on where the former one was is told that it is another.
  const stale = collect(client.statusStream("again", { lastEventId: `${old.metadata.uid}/Submitted` }));
  await expect(stale).rejects.toMatchObject({ code: "not_found" });
  await expect(collect(client.statusStream("nobody"))).rejects.toMatchObject({ code: "not_found", status: 404 });
});

const inShort = (change: BackendChange) =>
  change.type === "synced" ? "synced" : `${change.type} ${change.backend.name} ${change.backend.state}`;

function watch(client: SpawnerClient, selector: string) {
  const leaving = new AbortController();
  onTestFinished(() => leaving.abort());
  const told: string[] = [];
  const read = async () => {
    for await (const change of client.watchBackends({ selector, signal: leaving.signal })) told.push(inShort(change));
  };
  read().catch(() => {}); // that it is left
  return { told, until: (...expected: string[]) => eventually(() => expect(told).toEqual(expected)) };
}

/** An api on a cluster has heard of what another made when its own watch has told it. */
async function untilHeardOf(client: SpawnerClient, ...names: string[]): Promise<void> {
  await eventually(async () => {
    const heardOf: string[] = [];
    for await (const change of client.watchBackends()) {
      if (change.type === "synced") break;
      heardOf.push(change.backend.name);
    }
    expect(heardOf).toEqual(expect.arrayContaining(names));
  });
}

test("every api tells of the backends that are asked for, and of one whose labels are other ones since", async () => {
  const { create, reach, forget, namespace, first, second } = await openTwoApis();
  await create("maps", { team: "maps" });
  await create("art", { team: "art" });
  await Promise.all([first, second].map(({ url }) => untilHeardOf(clientOf(url), "maps", "art")));
  const watches = [
    watch(clientOf(first.url, second.url), "team in (maps, web),!old"),
    watch(clientOf(second.url), "team notin (art),team"),
  ];
  const untilAll = (...expected: string[]) => Promise.all(watches.map(({ until }) => until(...expected)));
  const beginning = ["added maps Submitted", "synced"];
  await untilAll(...beginning);
  await reach("maps", "Running");
  await kubectl(["label", "slab", "art", "team=web", "--overwrite", "-n", namespace]);
  const middle = [...beginning, "changed maps Running", "added art Submitted"];
  await untilAll(...middle);
  await kubectl(["label", "slab", "maps", "team=art", "--overwrite", "-n", namespace]);
  await untilAll(...middle, "deleted maps Running");

  await first.end("SIGTERM");
  await forget("art");
  await untilAll(...middle, "deleted maps Running", "deleted art Submitted");
});

test("what two apis take back from users at once is taken back from all of them", async () => {
  const { create, read, first, second } = await openTwoApis();
  await create("shared");
  const users = Array.from({ length: 30 }, (_, index) => `user-${index}`);
  const [one, other] = [clientOf(first.url), clientOf(second.url)];
  await Promise.all(users.map((user, index) => (index % 2 === 0 ? one : other).revoke("shared", { user })));
  expect(Object.keys((await read("shared")).status.revocations?.users ?? {}).sort()).toEqual(users.toSorted());
}, 60_000);

import { afterEach, describe, expect, test } from "vitest";
import { deadlines } from "../../core/deadlines.ts";
import type { Backend } from "../../core/resource.ts";
import { FakeClock } from "../../lib/fake-clock.ts";
import { type Log, silentLog } from "../../lib/log.ts";
import pods from "./fixtures/pods.json" with { type: "json" };
import { type KubeClient, KubeError, type KubeRequest } from "./kube-client.ts";
import type { OwnerReference } from "./objects.ts";
import type { ContainerStatus, Pod } from "./pod-object.ts";
import { PodWorkloads } from "./pod-workloads.ts";

const backend: Backend = {
  metadata: { name: "b", uid: "u", resourceVersion: "1", creationTimestamp: "2026-11-25T21:00:00Z", labels: {} },
  spec: { template: { containers: [{ image: "i" }] } },
  status: {},
};
const owner: OwnerReference = {
  apiVersion: "spawner.dev/v1",
  kind: "SessionLivedBackend",
  name: "b",
  uid: "u",
  controller: true,
};

/** A Pod that a cluster had, as if it were the backend's, or whose owner this is. */
function podOf(name: keyof typeof pods, owners: readonly OwnerReference[] = [owner]): Pod {
  const pod = pods[name] as unknown as Pod;
  return { ...pod, metadata: { ...pod.metadata, name: "b", ownerReferences: owners } };
}

const answers = {
  notFound: new KubeError({ status: 404, reason: "NotFound", message: "not found" }),
  alreadyExists: new KubeError({ status: 409, reason: "AlreadyExists", message: "already exists" }),
};

let workloads: PodWorkloads | undefined;
afterEach(() => workloads?.close());

/** Workloads over an API server that lists no Pods, has this one under its name, and never tells of a change. */
function setUp({
  stored,
  onCreate,
  events = [],
  log = silentLog,
}: {
  stored?: Pod;
  onCreate?: Error;
  events?: readonly object[];
  log?: Log;
} = {}) {
  const deletes: unknown[] = [];
  const paths: string[] = [];
  const client: KubeClient = {
    namespace: "sessions",
    async json<Result>({ method, path, body }: KubeRequest): Promise<Result> {
      paths.push(path);
      if (method === "GET" && path.endsWith("/pods")) {
        return { metadata: { resourceVersion: "1" }, items: [] } as Result;
      }
      if (path.endsWith("/events")) return { items: events } as Result;
      if (method === "POST") throw onCreate ?? answers.alreadyExists;
      if (stored === undefined) throw answers.notFound;
      if (method === "DELETE") deletes.push(body);
      return stored as Result;
    },
    async stream({ signal }) {
      return (async function* () {
        await new Promise((resolve) => signal?.addEventListener("abort", resolve));
      })();
    },
    close() {},
  };
  const clock = new FakeClock();
  const options = { client, clock, log, controlKey: () => "key" };
  workloads = new PodWorkloads({ ...options, pods: { sidecarImage: "spawner:1" } });
  return { workloads, deletes, paths, clock };
}

describe("where there is a Pod of the name already", () => {
  test("it is the workload when the backend owns it: an earlier attempt was not heard of", async () => {
    const { workloads } = setUp({ stored: podOf("running") });
    expect(await workloads.ensure(backend)).toMatchObject({ kind: "running" });
  });

  test("it is waited for when it is an earlier generation's", async () => {
    const stored = podOf("deleted", [{ ...owner, uid: "earlier" }]);
    const lines: object[] = [];
    const { workloads, clock } = setUp({ stored, log: { ...silentLog, info: (fields) => lines.push(fields) } });
    const by = "The Pod of an earlier backend of the same name has not gone yet.";
    const blocked = { kind: "blocked", by, since: clock.now() };
    expect(await workloads.ensure(backend)).toEqual(blocked);
    clock.advance(5_000);
    expect(await workloads.ensure(backend)).toEqual(blocked);
    expect(lines).toEqual([{ backend: "b" }]);
  });

  test.each([
    ["nobody's", []],
    ["a ReplicaSet's", [{ ...owner, apiVersion: "apps/v1", kind: "ReplicaSet" }]],
    ["another backend's", [{ ...owner, name: "c", uid: "c" }]],
    ["not controlled by the backend", [{ ...owner, controller: false }]],
  ])("it is left alone when it is %s, and the backend ends", async (_, owners) => {
    const { workloads, deletes } = setUp({ stored: podOf("running", owners) });
    const end = { reason: "Rejected", message: expect.stringContaining('There is a Pod "b" in namespace "sessions"') };
    expect(await workloads.ensure(backend)).toMatchObject({ kind: "ended", end });
    await workloads.remove(backend.metadata, 5);
    expect(deletes).toEqual([]);
  });

  test("it may be gone before it is looked at: then it is tried again", async () => {
    await expect(setUp().workloads.ensure(backend)).rejects.toMatchObject({ code: "unavailable" });
  });
});

test("what the API server cannot do now is no end", async () => {
  const forbidden =
    'pods is forbidden: User "c" cannot create resource "pods" in API group "" in the namespace "sessions"';
  const onCreate = new KubeError({ status: 403, reason: "Forbidden", message: forbidden });
  await expect(setUp({ onCreate }).workloads.ensure(backend)).rejects.toBe(onCreate);
});

describe("a program that ends with code 0, and has a probe for which its node may have ended it", () => {
  const exited = podOf("exited");
  const containers = exited.spec.containers.map((each) => ({
    ...each,
    livenessProbe: { exec: { command: ["false"] } },
  }));
  const stored = { ...exited, spec: { ...exited.spec, containers } };
  const involvedObject = { fieldPath: "spec.containers{application}" };
  const events = [
    { reason: "Unhealthy", message: "Liveness probe failed: ", involvedObject },
    { reason: "Killing", message: "Stopping container application", involvedObject },
  ];
  test("has crashed where its node says that it did, whatever the code", async () => {
    const { workloads } = setUp({ stored, events });
    const end = { reason: "Crashed", message: expect.stringContaining("its livenessProbe failed") };
    expect(await workloads.observe(backend.metadata)).toMatchObject({ kind: "ended", end });
  });

  test("has ended by itself where nothing is said of that, for a moment after it was first seen", async () => {
    const { workloads, clock } = setUp({ stored });
    const certainAt = new Date(clock.now().getTime() + deadlines.lateEventMs);
    for (let look = 0; look < 3; look += 1) {
      const observed = await workloads.observe(backend.metadata);
      expect(observed).toMatchObject({ kind: "ended", end: { reason: "Exited", certainAt } });
      clock.advance(500);
    }
  });
});

test("a program that ends with code 0, and that its node ends for nothing, has ended by itself: no Events are read", async () => {
  const { workloads, paths } = setUp({ stored: podOf("exited") });
  const observed = await workloads.observe(backend.metadata);
  expect(observed).toMatchObject({ kind: "ended", end: { reason: "Exited" } });
  expect(observed).not.toHaveProperty("end.certainAt");
  expect(paths.filter((path) => path.endsWith("/events"))).toEqual([]);
});

test("a Pod that the watch has not told of yet is not taken for gone", async () => {
  const { workloads } = setUp({ stored: podOf("running") });
  workloads.watch(() => {});
  expect(await workloads.list()).toEqual([]);
  expect(await workloads.observe(backend.metadata)).toMatchObject({ kind: "running" });
});

describe("a Pod that is removed", () => {
  const graceOf = async (name: keyof typeof pods, graceSeconds: number) => {
    const { workloads, deletes } = setUp({ stored: podOf(name) });
    await workloads.remove(backend.metadata, graceSeconds);
    return deletes;
  };
  const asked = (name: keyof typeof pods, gracePeriodSeconds: number) => [
    { apiVersion: "v1", kind: "DeleteOptions", gracePeriodSeconds, preconditions: { uid: podOf(name).metadata.uid } },
  ];

  test("has the time that is given, and no other Pod has its place taken", async () => {
    expect(await graceOf("running", 7)).toEqual(asked("running", 7));
  });

  test("is never forgotten while its program runs", async () => {
    expect(await graceOf("running", 0)).toEqual(asked("running", 1));
  });

  test("is not waited for where its sidecar alone is left", async () => {
    expect(await graceOf("crashed", 30)).toEqual(asked("crashed", 1));
  });

  describe("whose program has ended, with its sidecar left", () => {
    const askedAtMs = Date.parse("2026-11-25T21:00:30Z");
    const graceOfSidecar = async (state: ContainerStatus["state"] & object) => {
      const { metadata, spec, status } = podOf("crashed");
      const stored: Pod = {
        metadata: {
          ...metadata,
          deletionTimestamp: new Date(askedAtMs + 30_000).toISOString(),
          deletionGracePeriodSeconds: 30,
        },
        spec,
        status: { ...status, initContainerStatuses: [{ name: "spawner-sidecar", state }] },
      };
      const { workloads, deletes } = setUp({ stored });
      await workloads.remove(backend.metadata, 30);
      return deletes;
    };
    const runningSince = (ageMs: number) => ({ running: { startedAt: new Date(askedAtMs - ageMs).toISOString() } });

    test("is not asked again: the sidecar goes by itself", async () => {
      expect(await graceOfSidecar(runningSince(20_000))).toEqual([]);
      expect(await graceOfSidecar({ terminated: { exitCode: 0 } })).toEqual([]);
    });

    test("is asked again where the sidecar was asked before it can be relied on to take a signal", async () => {
      expect(await graceOfSidecar(runningSince(1_000))).toEqual(asked("crashed", 1));
    });
  });

  test("is not asked again unless it gets less time", async () => {
    expect(podOf("deleted").metadata.deletionGracePeriodSeconds).toBe(30);
    expect(await graceOf("deleted", 30)).toEqual([]);
    expect(await graceOf("deleted", 31)).toEqual([]);
    expect(await graceOf("deleted", 29)).toEqual(asked("deleted", 29));
  });
});

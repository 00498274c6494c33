import { randomUUID } from "node:crypto";
import type { BackendState, EndReason } from "@spawner/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Backend, BackendSpec } from "../../packages/server/src/core/resource.ts";
import { applyCrd } from "../support/cluster/apply-crd.ts";
import { eventually } from "../support/cluster/eventually.ts";
import { makeNamespace, type TestNamespace } from "../support/cluster/namespace.ts";
import { testImage } from "../support/cluster/overlay.ts";
import { podSpec, runInPod } from "../support/cluster/programs.ts";
import { type RoleHere, startController, startSweeper } from "../support/cluster/roles.ts";
import { createSession, podsOf, readSession, untilState } from "../support/cluster/session.ts";

// Each failure as a cluster has it: the reason and the message that a user finds, how soon, and that nothing is left.

let namespace: TestNamespace;
const roles: RoleHere[] = [];

beforeAll(async () => {
  namespace = await makeNamespace();
  await applyCrd(namespace.client);
  roles.push(await startController({ namespace: namespace.name }), await startSweeper({ namespace: namespace.name }));
});

afterAll(async () => {
  for (const role of roles) await role.close();
  await namespace.dispose();
});

/** What happens in seconds takes longer where many Pods start at once. */
const slackMs = 45_000;

interface Failure {
  readonly what: string;
  readonly spec: BackendSpec;
  readonly reason: EndReason;
  readonly message: RegExp;
  /** How long it takes by design, beside what the node needs. Default: nothing. */
  readonly byDesignMs?: number;
  readonly state?: BackendState;
}

const quick = { terminationGracePeriodSeconds: 1 };
const program = (source: string, container: object = {}): BackendSpec => ({
  ...runInPod(["node", "--eval", source], { container }),
  ...quick,
});
const serves = 'require("http").createServer().listen(process.env.PORT);';

const failures: Failure[] = [
  {
    what: "an image that cannot be pulled",
    spec: runInPod(["node"], { container: { image: "localhost/no-such-image:1" } }),
    reason: "ImagePull",
    message: /^The image "localhost\/no-such-image:1" of container application cannot be pulled: ./,
    byDesignMs: 30_000,
  },
  {
    what: "an image whose name is none",
    spec: runInPod(["node"], { container: { image: "No/Image:::" } }),
    reason: "ImagePull",
    message: /No\/Image:::.* invalid reference format/,
  },
  {
    what: "a command that the image does not have",
    spec: runInPod(["no-such-program"]),
    reason: "StartError",
    message: /could not be started: exec: "no-such-program": executable file not found in \$PATH\.$/,
  },
  {
    what: "a ConfigMap that is missing",
    spec: program(serves, { env: [{ name: "A", valueFrom: { configMapKeyRef: { name: "none", key: "a" } } }] }),
    reason: "StartError",
    message: /configmap "none" not found/,
    byDesignMs: 30_000,
  },
  {
    what: "a volume that cannot be mounted",
    spec: {
      ...runInPod(["node"], {
        container: { volumeMounts: [{ name: "v", mountPath: "/v" }] },
        template: { volumes: [{ name: "v", configMap: { name: "none" } }] },
      }),
      startupTimeoutSeconds: 10,
    },
    reason: "StartError",
    message: /cannot be made ready on its node: MountVolume.*configmap "none" not found/,
    byDesignMs: 10_000,
  },
  {
    what: "a crash at the start",
    spec: program('console.error("no such table"); process.exit(3)'),
    reason: "Crashed",
    message: /^The program exited with code 3\. Its last output:\nno such table$/,
  },
  {
    what: "an end with code 0",
    spec: program('console.log("all is done")'),
    reason: "Exited",
    message: /^The program exited with code 0\. Its last output:\nall is done$/,
    state: "Swept",
  },
  {
    what: "a failing probe, also where code 0 follows",
    spec: program('process.on("SIGTERM", () => process.exit(0)); setInterval(() => {}, 1e6)', {
      livenessProbe: { exec: { command: ["false"] }, initialDelaySeconds: 1, periodSeconds: 1, failureThreshold: 1 },
    }),
    reason: "Crashed",
    message: /^The program was ended by its node, since its livenessProbe failed: Liveness probe failed\./,
  },
  {
    what: "memory above the limit",
    spec: program("const all = []; for (;;) all.push(Buffer.alloc(1e6, 1));", {
      resources: { limits: { memory: "96Mi" } },
    }),
    reason: "OutOfMemory",
    message: /its limit of 96Mi/,
  },
  {
    what: "a program that never listens",
    spec: { ...program('console.log("thinking"); setInterval(() => {}, 1e6)'), startupTimeoutSeconds: 8 },
    reason: "StartupTimeout",
    message: /did not listen on its port.* within 8 s.*Its last output:\nthinking$/s,
    byDesignMs: 8_000,
  },
  {
    what: "a Pod that no node takes",
    spec: {
      ...runInPod(["node"], { template: { nodeSelector: { "spawner.dev/no": "such" } } }),
      startupTimeoutSeconds: 5,
    },
    reason: "Unschedulable",
    message: /No node takes the backend's Pod: .*affinity\/selector/,
    byDesignMs: 5_000,
  },
  {
    what: "a Pod that the API server does not understand",
    spec: runInPod(["node"], { template: { dnsPolicy: "Sometimes" } }),
    reason: "InvalidSpec",
    message: /spec\.dnsPolicy: Unsupported value: "Sometimes"/,
  },
  {
    what: "a template that needs what is the sidecar's",
    spec: runInPod(["node"], { template: { hostNetwork: true } }),
    reason: "InvalidSpec",
    message: /template\.hostNetwork must not be set/,
  },
];

const create = (name: string, spec: BackendSpec) => createSession(namespace.client, name, spec);
const podPath = (name: string) => `/api/v1/namespaces/${namespace.name}/pods/${name}`;
const podUid = async (name: string) =>
  (await namespace.client.json<{ metadata: { uid: string } }>({ method: "GET", path: podPath(name) })).metadata.uid;

const untilEnded = (name: string, state: BackendState = "Failed", withinMs = slackMs): Promise<Backend> =>
  untilState(namespace.client, name, { state, withinMs });

/** Its Pod is gone; its record says why. */
const untilNothingIsLeft = (name: string) =>
  eventually(async () => expect(await podsOf(namespace.client)).not.toContain(name), slackMs);

describe.concurrent("a backend ends, and nothing of it is left, for", () => {
  test.for(failures)("$what", async ({ what, spec, reason, message, byDesignMs = 0, state }, { expect }) => {
    const name = what.replaceAll(/[^a-z0-9]+/gi, "-").toLowerCase();
    await create(name, spec);
    const { status } = await untilEnded(name, state, byDesignMs + slackMs);
    expect({ reason: status.reason, message: status.message }).toEqual({
      reason,
      message: expect.stringMatching(message),
    });
    await untilNothingIsLeft(name);
  });

  test("a crash after it was ready", async ({ expect }) => {
    const crashes = 'require("http").createServer(() => process.exit(5)).listen(process.env.PORT);';
    await create("ready-then-crash", program(crashes));
    const { status: ready } = await untilState(namespace.client, "ready-then-crash", {
      state: "Ready",
      withinMs: slackMs,
    });
    const { status } = await eventually(async () => {
      await fetch(ready.url ?? "", { signal: AbortSignal.timeout(2_000) }).catch(() => {});
      return untilEnded("ready-then-crash", "Failed", 2_000);
    }, slackMs);
    expect(status).toMatchObject({ reason: "Crashed", message: expect.stringContaining("code 5") });
    expect(Object.keys(status.transitions ?? {})).toContain("Ready");
    await untilNothingIsLeft("ready-then-crash");
  });

  test("a Pod that was deleted by hand", async ({ expect }) => {
    await create("deleted", { ...podSpec("polite"), ...quick });
    await untilState(namespace.client, "deleted", { state: "Ready", withinMs: slackMs });
    await namespace.client.json({ method: "DELETE", path: podPath("deleted") });
    const { status } = await untilEnded("deleted");
    expect(status).toMatchObject({
      reason: "WorkloadLost",
      message: expect.stringContaining("removed by somebody else"),
    });
    await untilNothingIsLeft("deleted");
  });

  test("a Pod that was deleted by force", async ({ expect }) => {
    await create("forced", { ...podSpec("polite"), ...quick });
    await untilState(namespace.client, "forced", { state: "Ready", withinMs: slackMs });
    await namespace.client.json({ method: "DELETE", path: podPath("forced"), query: { gracePeriodSeconds: 0 } });
    const { status } = await untilEnded("forced");
    expect(status.reason).toBe("WorkloadLost");
    await untilNothingIsLeft("forced");
  });

  test("an eviction by the API, as of a node that is drained", async ({ expect }) => {
    await create("evicted", { ...podSpec("polite"), ...quick });
    await untilState(namespace.client, "evicted", { state: "Ready", withinMs: slackMs });
    const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: "evicted" } };
    await namespace.client.json({ method: "POST", path: `${podPath("evicted")}/eviction`, body: eviction });
    const { status } = await untilEnded("evicted");
    expect(status).toMatchObject({ reason: "Evicted", message: expect.stringContaining("Eviction API") });
    await untilNothingIsLeft("evicted");
  });

  test("an eviction by a node that has too little memory", async ({ expect }) => {
    await create("pressed", { ...podSpec("polite"), ...quick });
    await untilState(namespace.client, "pressed", { state: "Ready", withinMs: slackMs });
    // What the kubelet writes.
    const body = { status: { phase: "Failed", reason: "Evicted", message: "The node was low on resource: memory." } };
    await namespace.client.json({ method: "PATCH", path: `${podPath("pressed")}/status`, body });
    const { status } = await untilEnded("pressed");
    expect(status).toMatchObject({ reason: "Evicted", message: expect.stringContaining("low on resource: memory.") });
    await untilNothingIsLeft("pressed");
  });

  test("a node that is gone", async ({ expect }) => {
    const node = `spawner-test-${randomUUID().slice(0, 8)}`;
    // Nobody else's Pod is to be scheduled to it.
    const taints = [{ key: "spawner.dev/test", effect: "NoSchedule" }];
    await namespace.client.json({
      method: "POST",
      path: "/api/v1/nodes",
      body: { metadata: { name: node }, spec: { unschedulable: true, taints } },
    });
    try {
      await create("no-node", runInPod(["node"], { template: { nodeName: node } }));
      await untilState(namespace.client, "no-node", { state: "Constructed", withinMs: slackMs });
    } finally {
      await namespace.client.json({ method: "DELETE", path: `/api/v1/nodes/${node}` });
    }
    // The control plane waits 40 s for a node to come back, and looks each 20 s.
    const { status } = await untilEnded("no-node", "Failed", 60_000 + slackMs);
    expect(status).toMatchObject({ reason: "NodeLost", message: expect.stringContaining("node no longer exists") });
    await untilNothingIsLeft("no-node");
  });

  test("somebody else's Pod of its name, which is not touched", async ({ expect }) => {
    const containers = [{ name: "theirs", image: testImage, command: ["sleep", "600"] }];
    const body = { metadata: { name: "taken" }, spec: { containers, terminationGracePeriodSeconds: 0 } };
    await namespace.client.json({ method: "POST", path: podPath("").replace(/\/$/, ""), body });
    const uid = await podUid("taken");
    await create("taken", podSpec("polite"));
    const { status } = await untilEnded("taken");
    expect(status).toMatchObject({ reason: "Rejected", message: expect.stringContaining('There is a Pod "taken"') });
    expect(await podUid("taken")).toBe(uid);
    await namespace.client.json({ method: "DELETE", path: podPath("taken") });
  });
});

test("a Pod whose program ends while its sidecar still starts does not stay for its grace", async () => {
  await create("over-at-once", { ...runInPod(["sh", "-c", "exit 3"]), terminationGracePeriodSeconds: 3_600 });
  await untilEnded("over-at-once");
  await untilNothingIsLeft("over-at-once");
});

test("a backend that a quota has no room for is rejected, with what the quota says", async () => {
  const full = await makeNamespace();
  const controller = await startController({ namespace: full.name });
  try {
    const path = `/api/v1/namespaces/${full.name}/resourcequotas`;
    const body = { metadata: { name: "none" }, spec: { hard: { pods: "0" } } };
    await full.client.json({ method: "POST", path, body });
    await eventually(async () => {
      const quota = await full.client.json<{ status: object }>({ method: "GET", path: `${path}/none` });
      expect(quota).toHaveProperty("status.used");
    });
    await createSession(full.client, "too-many", podSpec("polite"));
    const { status } = await untilState(full.client, "too-many", { state: "Failed", withinMs: slackMs });
    expect(status).toMatchObject({ reason: "Rejected", message: expect.stringContaining("exceeded quota: none") });
    expect(await podsOf(full.client)).toEqual([]);
  } finally {
    await controller.close();
    await full.dispose();
  }
});

describe("what must not break", () => {
  test("a name of 63 characters", async () => {
    const name = `${"long-".repeat(12)}abc`;
    expect(name).toHaveLength(63);
    await create(name, { ...podSpec("polite"), ...quick });
    await untilState(namespace.client, name, { state: "Ready", withinMs: slackMs });
  });

  test("a backend of the same name as one whose Pod has not gone yet: it begins when that has", async () => {
    const spec = { ...podSpec("stubborn"), terminationGracePeriodSeconds: 5 };
    await create("again", spec);
    await untilState(namespace.client, "again", { state: "Ready", withinMs: slackMs });
    const first = await podUid("again");
    const path = `/apis/spawner.dev/v1/namespaces/${namespace.name}/sessionlivedbackends/again`;
    await namespace.client.json({ method: "DELETE", path });
    await eventually(async () => expect(await readSession(namespace.client, "again")).toBeUndefined());
    await create("again", spec);
    await untilState(namespace.client, "again", { state: "Ready", withinMs: slackMs });
    expect(await podUid("again")).not.toBe(first);
  });

  test("labels that a user gives, which do not take the place of ours", async () => {
    const labels = {
      team: "red",
      "spawner.dev/backend-uid": "another",
      run: "another",
      "app.kubernetes.io/managed-by": "me",
    };
    const body = {
      apiVersion: "spawner.dev/v1",
      kind: "SessionLivedBackend",
      metadata: { name: "labelled", labels },
      spec: { ...podSpec("polite"), ...quick },
    };
    const path = `/apis/spawner.dev/v1/namespaces/${namespace.name}/sessionlivedbackends`;
    const { metadata } = await namespace.client.json<Backend>({ method: "POST", path, body });
    await untilState(namespace.client, "labelled", { state: "Ready", withinMs: slackMs });
    const pod = await namespace.client.json<Backend>({ method: "GET", path: podPath("labelled") });
    expect(pod.metadata.labels).toEqual({
      team: "red",
      "app.kubernetes.io/managed-by": "spawner",
      "spawner.dev/backend": "labelled",
      "spawner.dev/backend-uid": metadata.uid,
    });
  });
});

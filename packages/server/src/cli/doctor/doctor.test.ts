import { createServer } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { buildCrd } from "../../core/crd.ts";
import type { Backend } from "../../core/resource.ts";
import type { BackendStore } from "../../engine/index.ts";
import { type KubeClient, KubeError, type KubeRequest } from "../../engine/kubernetes/index.ts";
import { FakeClock } from "../../lib/fake-clock.ts";
import { checkAccess } from "./check-access.ts";
import { checkCrd } from "./check-crd.ts";
import { checkKeys } from "./check-keys.ts";
import { checkOrphans } from "./check-orphans.ts";
import { checkRoles } from "./check-roles.ts";
import { checkServer, skewFinding, versionFinding } from "./check-server.ts";
import { checkSidecars } from "./check-sidecars.ts";

/** An API server that answers as told. */
function answering(answer: (request: KubeRequest) => unknown): KubeClient {
  return {
    namespace: "play",
    json: async <Result>(request: KubeRequest) => answer(request) as Result,
    stream: () => Promise.reject(new Error("nothing is watched here")),
    close() {},
  };
}

function refusing(status: number, reason: string): KubeClient {
  return answering(() => {
    throw new KubeError({ status, reason, message: reason });
  });
}

const established = { conditions: [{ type: "Established", status: "True" }] };
type Crd = { spec: { versions: { schema: { openAPIV3Schema: { properties: Record<string, unknown> } } }[] } };

test("an API server that does not answer is all there is to say", async () => {
  const client = answering(() => {
    throw new Error("connect ECONNREFUSED");
  });
  expect(await checkServer(client, new FakeClock())).toEqual([
    expect.objectContaining({ level: "wrong", subject: "API server", advice: expect.stringContaining("cluster-info") }),
  ]);
});

test.each([
  [{ major: "1", minor: "32", gitVersion: "v1.32.0" }, "ok"],
  [{ major: "1", minor: "36+", gitVersion: "v1.36.3-gke" }, "ok"],
  [{ major: "2", minor: "0", gitVersion: "v2.0.0" }, "ok"],
  [{ major: "1", minor: "31", gitVersion: "v1.31.9" }, "wrong"],
] as const)("of the version %o it says %s", (version, level) => {
  expect(versionFinding(version)).toMatchObject({ level, message: expect.stringContaining(version.gitVersion) });
});

test.each([
  ["the same second", { serverMs: 1_000, before: 1_100, after: 1_900 }, "ok", "agrees"],
  ["a slow answer", { serverMs: 9_000, before: 1_000, after: 9_500 }, "ok", "agrees"],
  ["a clock that is behind", { serverMs: 20_000, before: 9_000, after: 10_000 }, "warning", "10 s behind"],
  ["a clock that is ahead", { serverMs: 1_000, before: 100_000, after: 100_010 }, "wrong", "98 s ahead of"],
] as const)("of the clocks, with %s", (_, times, level, message) => {
  expect(skewFinding(times)).toMatchObject({ level, message: expect.stringContaining(message) });
});

test("the custom resource may be missing, of another release or of this one", async () => {
  const crd = (change: (crd: Crd) => void = () => {}) => {
    const copy = structuredClone(buildCrd()) as unknown as Crd;
    change(copy);
    return checkCrd(answering(() => ({ ...copy, status: established })));
  };
  expect(await crd()).toMatchObject({ level: "ok" });
  expect(
    await crd(({ spec }) => {
      for (const { schema } of spec.versions) delete schema.openAPIV3Schema.properties.spec;
    }),
  ).toMatchObject({
    level: "wrong",
    message: expect.stringContaining(".spec"),
    advice: expect.stringContaining("kubectl apply"),
  });
  expect(
    await crd(({ spec }) => {
      for (const { schema } of spec.versions) schema.openAPIV3Schema.properties.later = { type: "object" };
    }),
  ).toMatchObject({ level: "warning", message: expect.stringContaining(".later") });
  expect(await checkCrd(answering(() => buildCrd()))).toMatchObject({
    level: "wrong",
    message: expect.stringContaining("not established"),
  });
  expect(await checkCrd(refusing(404, "NotFound"))).toMatchObject({
    level: "wrong",
    message: expect.stringContaining("there is no"),
  });
  expect(await checkCrd(refusing(403, "Forbidden"))).toMatchObject({
    level: "warning",
    message: expect.stringContaining("not checked"),
  });
});

interface ReviewSpec {
  readonly user?: string;
  readonly resourceAttributes: { readonly verb: string; readonly resource: string; readonly name?: string };
}

test("an account that lacks a right is told which, by the name of the verb and the resource", async () => {
  const client = answering(({ body }) => {
    const { user, resourceAttributes } = (body as { spec: ReviewSpec }).spec;
    const { verb, resource } = resourceAttributes;
    const isGateway = user === "system:serviceaccount:play:spawner-gateway";
    const isMissing = resource === "secrets" && (verb === "watch" || verb === "list");
    return { status: { allowed: !isGateway && !isMissing } };
  });
  expect(await checkAccess(client)).toEqual([
    expect.objectContaining({
      subject: "rights of controller",
      message: expect.stringContaining("may not list, watch secrets spawner-keys"),
    }),
    expect.objectContaining({ subject: "rights of sweeper", level: "wrong" }),
    expect.objectContaining({ subject: "rights of api", level: "wrong" }),
    expect.objectContaining({ subject: "rights of gateway", level: "wrong", message: expect.stringContaining("none") }),
  ]);
});

test("who may not ask about others asks about itself, and says of the others that they were not checked", async () => {
  const client = answering(({ path }) => {
    if (path.endsWith("/subjectaccessreviews"))
      throw new KubeError({ status: 403, reason: "Forbidden", message: "no" });
    if (path.endsWith("/selfsubjectreviews")) {
      return { status: { userInfo: { username: "system:serviceaccount:play:spawner-sweeper" } } };
    }
    return { status: { allowed: true } };
  });
  const levels = (await checkAccess(client)).map(({ subject, level }) => `${subject}: ${level}`);
  expect(levels).toEqual([
    "rights of controller: warning",
    "rights of sweeper: ok",
    "rights of api: warning",
    "rights of gateway: warning",
  ]);
});

test.each([
  ["a whole one", { "control-key": "x".repeat(32), "signing-keys": `a:${"s".repeat(43)}` }, "ok"],
  ["a control key that is too short", { "control-key": "short", "signing-keys": `a:${"s".repeat(43)}` }, "wrong"],
  ["signing keys that are none", { "control-key": "x".repeat(32), "signing-keys": "spoilt" }, "wrong"],
  ["no signing keys", { "control-key": "x".repeat(32) }, "wrong"],
  ["nothing", {}, "wrong"],
])("of a Secret with %s it says %s", async (_, fields, level) => {
  const encoded = Object.entries(fields).map(([name, value]) => [name, Buffer.from(value).toString("base64")]);
  const finding = await checkKeys(answering(() => ({ items: [{ data: Object.fromEntries(encoded) }] })));
  expect(finding.level).toBe(level);
  for (const value of Object.values(fields)) expect(JSON.stringify(finding)).not.toContain(value);
});

test("a Secret that is missing is the controller's to make", async () => {
  expect(await checkKeys(answering(() => ({ items: [] })))).toMatchObject({
    level: "wrong",
    advice: expect.stringContaining("controller"),
  });
});

function workload(role: string, { ready, image = "spawner:1" }: { ready: number; image?: string }) {
  return {
    metadata: { name: `spawner-${role}`, labels: { "app.kubernetes.io/component": role } },
    spec: { replicas: 2, template: { spec: { containers: [{ image }] } } },
    status: { readyReplicas: ready, numberReady: ready, desiredNumberScheduled: 2 },
  };
}

test("roles are up, partly up, down or not there, and of one release or of several", async () => {
  const client = answering(({ path }) => ({
    items: path.endsWith("/daemonsets")
      ? [workload("sweeper", { ready: 2 })]
      : [workload("controller", { ready: 0 }), workload("api", { ready: 1, image: "spawner:2" })],
  }));
  const findings = (await checkRoles(client)).map(({ subject, level, message }) => `${level} ${subject}: ${message}`);
  expect(findings).toEqual([
    "wrong role controller: deployment spawner-controller: 0 of 2 ready",
    "ok role sweeper: daemonset spawner-sweeper: 2 of 2 ready",
    "warning role api: deployment spawner-api: 1 of 2 ready",
    "warning role gateway: there is none in the namespace play",
    "warning images: the roles run spawner:1 and spawner:2",
  ]);
});

test.each([
  ["play", 'with "namespace: play" (docs/deploying.md)'],
  ["spawner", "kubectl apply -k deploy/base"],
])("roles that are not in the namespace %s are installed there, and nowhere else", async (namespace, advice) => {
  const findings = await checkRoles({ ...answering(() => ({ items: [] })), namespace });
  expect(findings).toHaveLength(4);
  for (const finding of findings) expect(finding.advice).toContain(advice);
});

test.each([
  ["is missing", { items: [] }, "; there is no Secret spawner-tokens", "kubectl create secret generic spawner-tokens"],
  ["is there", { items: [{}] }, "0 of 2 ready", "kubectl describe deployment spawner-api --namespace play"],
  ["may not be read", "Forbidden", "0 of 2 ready", "kubectl describe deployment spawner-api --namespace play"],
])("an api that is not ready, whose Secret %s", async (_, secrets, message, advice) => {
  const api = workload("api", { ready: 0 });
  const volumes = [{ secret: { secretName: "spawner-tokens" } }, { secret: { secretName: "other", optional: true } }];
  const withSecret = { ...api, spec: { ...api.spec, template: { spec: { ...api.spec.template.spec, volumes } } } };
  const client = answering(({ path, query }) => {
    if (path.endsWith("/deployments")) return { items: [withSecret] };
    if (!path.endsWith("/secrets")) return { items: [] };
    expect(query).toEqual({ fieldSelector: "metadata.name=spawner-tokens" });
    if (typeof secrets === "string") throw new KubeError({ status: 403, reason: secrets, message: secrets });
    return secrets;
  });
  const finding = (await checkRoles(client)).find(({ subject }) => subject === "role api");
  expect(finding).toMatchObject({
    level: "wrong",
    message: expect.stringContaining(message),
    advice: expect.stringContaining(advice),
  });
});

test("Pods that a backend has left behind are named, with what ends them", async () => {
  const labels = { "app.kubernetes.io/managed-by": "spawner", "spawner.dev/backend-uid": "u" };
  const pod = (name: string, ownerReferences: object[] = []) => ({ metadata: { name, labels, ownerReferences } });
  const owned = pod("a", [{ apiVersion: "spawner.dev/v1", kind: "SessionLivedBackend", controller: true }]);
  const check = (...pages: object[][]) =>
    checkOrphans(
      answering(({ query }) => {
        const at = Number(query?.continue ?? 0);
        return { metadata: at + 1 < pages.length ? { continue: String(at + 1) } : {}, items: pages[at] };
      }),
    );
  expect(await check([owned])).toMatchObject({ level: "ok" });
  expect(await check([owned, pod("b")], [pod("c")])).toMatchObject({
    level: "warning",
    message: expect.stringContaining("2 Pods go on"),
    advice: "kubectl delete pods --namespace play b c",
  });
  const many = Array.from({ length: 22 }, (_, index) => pod(`p${index}`));
  expect(await check(many)).toMatchObject({ advice: expect.stringMatching(/ p19; then 2 more/) });
  expect(await checkOrphans(refusing(403, "Forbidden"))).toMatchObject({ message: expect.stringContaining("may not") });
});

function running(...addresses: string[]): { backends: BackendStore } {
  const items = addresses.map((podIP, index) => ({
    metadata: { name: `b${index}`, uid: `u${index}`, resourceVersion: "1", creationTimestamp: "", labels: {} },
    spec: { template: { containers: [{}] } },
    status: { podIP, port: 9090, podUID: "p", nodeName: "n", ready: true, relayProtocol: 1 },
  })) satisfies Backend[];
  return { backends: { list: async () => ({ items }) } as Partial<BackendStore> as BackendStore };
}

test.runIf(process.platform === "linux")(
  "sidecars are asked on their control port, and it is said from where",
  async () => {
    const sidecar = createServer((_, response) => response.end("{}"));
    await new Promise<void>((resolve) => sidecar.listen(9091, "127.66.0.1", resolve));
    onTestFinished(() => void sidecar.close());
    const ask = (addresses: string[], isInCluster: boolean) => checkSidecars(running(...addresses), { isInCluster });
    expect(await ask([], true)).toMatchObject({ level: "ok", message: expect.stringContaining("no backend runs") });
    expect(await ask(["127.66.0.1"], true)).toMatchObject({ level: "ok", message: "1 asked, and all answer" });
    expect(await ask(["127.66.0.1", "127.66.0.2"], true)).toMatchObject({
      level: "wrong",
      message: expect.stringMatching(
        /^1 of 2 cannot be reached from here \(http:\/\/127.66.0.2:9091\/healthz: .*ECONNREFUSED/,
      ),
    });
    expect(await ask(["127.66.0.2"], false)).toMatchObject({
      level: "warning",
      advice: expect.stringContaining("kubectl exec"),
    });
  },
);

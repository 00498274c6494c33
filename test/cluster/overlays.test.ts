import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { TemplatesFolder } from "../../packages/server/src/api/index.ts";
import { systemClock } from "../../packages/server/src/lib/clock.ts";
import { silentLog } from "../../packages/server/src/lib/log.ts";
import { kubectl } from "../support/cluster/kubectl.ts";
import { makeNamespace, type TestNamespace } from "../support/cluster/namespace.ts";
import { type Manifest, manifestsOf, renderOverlay } from "../support/cluster/overlay.ts";
import { fileBlock, readDocument } from "../support/documents.ts";

const overlays = ["base", "overlays/local", "overlays/ingress", "overlays/compat-0.1.9"];

interface Probe {
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly failureThreshold: number;
}

interface PodTemplate {
  readonly metadata: { readonly labels: Record<string, string> };
  readonly spec: {
    readonly enableServiceLinks?: boolean;
    readonly terminationGracePeriodSeconds: number;
    readonly containers: readonly {
      readonly name: string;
      readonly image: string;
      readonly env?: readonly { readonly name: string; readonly value?: string }[];
      readonly resources: { readonly requests: object; readonly limits: object };
      readonly ports: readonly { readonly name: string }[];
      readonly startupProbe: Probe;
      readonly readinessProbe: Probe;
      readonly livenessProbe: Probe;
    }[];
  };
}

let namespace: TestNamespace;
beforeAll(async () => {
  namespace = await makeNamespace();
});
afterAll(() => namespace.dispose());

/** The templates of an overlay's Pods, by role. */
function templatesOf(manifests: readonly Manifest[]): Map<string, PodTemplate> {
  const workloads = manifests.filter(({ kind }) => ["Deployment", "DaemonSet"].includes(kind));
  return new Map(
    workloads.map(({ spec }) => {
      const { template } = spec as { template: PodTemplate };
      return [template.metadata.labels["spawner.dev/role"] ?? "", template];
    }),
  );
}

describe.each(overlays)("deploy/%s", (of) => {
  test("is taken by the API server as it is", async () => {
    const rendered = await renderOverlay({ of, namespace: namespace.name });
    const output = await kubectl(["apply", "--dry-run=server", "--filename=-"], rendered);
    expect(output).toContain("deployment.apps/spawner-gateway created");
  });

  test("puts everything but what is the whole cluster's into one namespace", async () => {
    const manifests = await manifestsOf({ of, namespace: "elsewhere" });
    const outside = manifests.filter(({ metadata }) => metadata.namespace !== "elsewhere");
    expect(outside.map(({ kind, metadata }) => `${kind} ${metadata.name}`).toSorted()).toEqual([
      "CustomResourceDefinition sessionlivedbackends.spawner.dev",
      "Namespace elsewhere",
    ]);
    const subjects = manifests.flatMap((manifest) => (manifest.subjects ?? []) as { namespace: string }[]);
    expect(new Set(subjects.map((subject) => subject.namespace))).toEqual(new Set(["elsewhere"]));
  });

  test("has a Pod of each role, with no variable of a Service's that looks like a flag, with requests and a memory limit", async () => {
    const templates = templatesOf(await manifestsOf({ of }));
    expect([...templates.keys()].toSorted()).toEqual(["api", "controller", "gateway", "sweeper"]);
    for (const [role, { spec }] of templates) {
      expect(spec.enableServiceLinks, role).toBe(false);
      expect(spec.containers, role).toMatchObject([
        {
          name: role,
          resources: {
            requests: { cpu: expect.any(String), memory: expect.any(String) },
            limits: { memory: expect.any(String) },
          },
        },
      ]);
    }
  });

  test("gives the gateway longer to end than its connections have", async () => {
    const gateway = templatesOf(await manifestsOf({ of })).get("gateway");
    const drain =
      gateway?.spec.containers[0]?.env?.find(({ name }) => name === "SPAWNER_DRAIN_SECONDS")?.value ?? "300";
    expect(gateway?.spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(Number(drain) + 45);
  });
});

test("every Pod of a role is allowed by Pod Security's strictest standard", async () => {
  await kubectl(["label", "namespace", namespace.name, "pod-security.kubernetes.io/enforce=restricted"]);
  for (const [role, { metadata, spec }] of templatesOf(await manifestsOf({ of: "base" }))) {
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { ...metadata, name: `spawner-${role}` }, spec };
    const { serviceAccountName: _, ...withoutAccount } = pod.spec as PodTemplate["spec"] & {
      serviceAccountName: string;
    };
    const manifest = JSON.stringify({ ...pod, spec: withoutAccount });
    const args = ["create", "--namespace", namespace.name, "--dry-run=server", "--filename=-"];
    await expect(kubectl(args, manifest), role).resolves.toContain("created");
  }
});

test("what is applied again has not changed, as kubectl can tell", async () => {
  const manifests = await manifestsOf({ of: "overlays/compat-0.1.9", namespace: namespace.name });
  // Of what makes Pods here there would be some; of a budget kubectl says "configured" always, since it sends the selector anew.
  const leftOut = ["CustomResourceDefinition", "Namespace", "Deployment", "DaemonSet", "PodDisruptionBudget"];
  const items = manifests.filter(({ kind }) => !leftOut.includes(kind));
  const list = JSON.stringify({ apiVersion: "v1", kind: "List", items });
  await kubectl(["apply", "--filename=-"], list);
  const lines = (await kubectl(["apply", "--filename=-"], list)).trim().split("\n");
  expect(lines).toHaveLength(items.length);
  expect(lines.filter((line) => !line.endsWith(" unchanged"))).toEqual([]);
});

test("the definition of the resource is the same apart and in the base", async () => {
  const definitionOf = async (of: string) =>
    (await manifestsOf({ of })).find(({ kind }) => kind === "CustomResourceDefinition");
  expect(await definitionOf("crd")).toEqual(await definitionOf("base"));
});

test("a role that is slow for a minute is not restarted, and has minutes to start", async () => {
  for (const [role, { spec }] of templatesOf(await manifestsOf({ of: "base" }))) {
    const [{ livenessProbe: alive, startupProbe: started, readinessProbe: ready } = fail(role)] = spec.containers;
    expect((alive.failureThreshold - 1) * alive.periodSeconds, role).toBeGreaterThan(120);
    expect((started.failureThreshold - 1) * started.periodSeconds, role).toBeGreaterThan(240);
    for (const { timeoutSeconds } of [alive, started, ready]) expect(timeoutSeconds, role).toBeGreaterThanOrEqual(5);
  }
});

test.each(overlays)("no Deployment of deploy/%s is without a Pod while it is rolled out", async (of) => {
  const deployments = (await manifestsOf({ of })).filter(({ kind }) => kind === "Deployment");
  for (const { metadata, spec } of deployments) {
    const rollingUpdate = { maxUnavailable: 0, maxSurge: 1 };
    expect(spec, metadata.name).toMatchObject({ strategy: { rollingUpdate } });
  }
});

function fail(role: string): never {
  throw new Error(`the Pod of ${role} has no container`);
}

test("docs/templates.md mounts its template in the api, where nobody chooses images any more", async () => {
  const document = readDocument("docs/templates.md");
  const folder = mkdtempSync(join(tmpdir(), "spawner-templates-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const template = fileBlock(document, "templates/notebook.yaml");
  mkdirSync(join(folder, "templates"));
  writeFileSync(join(folder, "templates/notebook.yaml"), template);
  symlinkSync(fileURLToPath(new URL("../../deploy", import.meta.url)), join(folder, "deploy"));
  const kustomization = fileBlock(document, "kustomization.yaml")
    .replaceAll(/https:\S+?\/\/(deploy\S*?)\?ref=\S+/g, "$1")
    .replace("namespace: spawner", `namespace: ${namespace.name}`);
  writeFileSync(join(folder, "kustomization.yaml"), kustomization);
  const rendered = await kubectl(["kustomize", folder]);
  await kubectl(["apply", "--dry-run=server", "--filename=-"], rendered);

  const manifests = parseAllDocuments(rendered).map((each) => each.toJS() as Manifest);
  const configMap = manifests.find(
    ({ kind, metadata }) => kind === "ConfigMap" && metadata.name === "spawner-templates",
  );
  expect(configMap?.data).toEqual({ "notebook.yaml": template });
  expect(templatesOf(manifests).get("api")?.spec).toMatchObject({
    containers: [
      {
        env: expect.arrayContaining([
          { name: "SPAWNER_TEMPLATES", value: "/etc/spawner/templates" },
          { name: "SPAWNER_TEMPLATES_ONLY", value: "yes" },
        ]),
        volumeMounts: expect.arrayContaining([
          { name: "templates", mountPath: "/etc/spawner/templates", readOnly: true },
        ]),
      },
    ],
    volumes: expect.arrayContaining([{ name: "templates", configMap: { name: "spawner-templates" } }]),
  });
  const options = { kind: "pod", clock: systemClock, log: silentLog } as const;
  const templates = await TemplatesFolder.open(join(folder, "templates"), options);
  expect(templates.find("notebook")?.spec.template.containers).toMatchObject([
    { name: "notebook", image: "registry.example.com/notebook:3", env: [{ name: "LICENCE" }, { name: "MODE" }] },
  ]);
});

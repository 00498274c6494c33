import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { defaultServicePrefix, nameMapping } from "../../packages/server/src/core/names.ts";
import { kubectl } from "../support/cluster/kubectl.ts";
import { runSpawner } from "../support/dev.ts";
import { fileBlock, readDocument } from "../support/documents.ts";

const namespace = `spawner-test-${randomUUID().slice(0, 8)}`;

interface Slab {
  metadata: { name: string };
  spec: object;
}

/** What `spawner ARGS` writes. */
async function spawner(args: readonly string[]): Promise<string> {
  const { output, exited } = runSpawner(args);
  const code = await exited;
  if (code !== 0) throw new Error(`spawner ${args.join(" ")} exited with ${code}: ${output.text}`);
  return output.text;
}

const getSlab = async (name: string) =>
  JSON.parse(await kubectl(["get", "slab", name, "-n", namespace, "-o", "json"])) as Slab;

beforeAll(() => kubectl(["create", "namespace", namespace]));
// The definition is of the whole cluster, and other tests use it: it stays.
afterAll(() => kubectl(["delete", "namespace", namespace, "--wait=false"]));

test("what print-crd prints is applied, becomes established and explains itself", async () => {
  await kubectl(["apply", "-f", "-"], await spawner(["print-crd"]));
  await kubectl(["wait", "--for=condition=Established", "crd/sessionlivedbackends.spawner.dev", "--timeout=30s"]);
  await expect
    .poll(() => kubectl(["explain", "slab.spec.gracePeriodSeconds"]).catch(String), { timeout: 15_000, interval: 250 })
    .toContain("without any activity");
});

test.each([
  ["slab", /SessionLivedBackend[\s\S]*spec\s+<Object> -required-[\s\S]*What to run, and when to end it/],
  ["slab.spec", /template\s+<Object> -required-[\s\S]*initContainers,\s+volumes/],
  ["slab.spec.lifetimeSeconds", /ended even\s+when in use/],
  ["slab.status.phase", /ENUM:\s+Submitted\s+Constructed\s+Scheduled\s+Running\s+Ready\s+Swept\s+Failed/],
  ["slab.status.reason", /ENUM:[\s\S]*Idle[\s\S]*OutOfMemory[\s\S]*NodeLost/],
])("kubectl explain %s teaches", async (field, lesson) => {
  await expect
    .poll(() => kubectl(["explain", field]).catch(String), { timeout: 15_000, interval: 250 })
    .toMatch(lesson);
});

test("kubectl shows the state, the reason and the node, selects by them, and waits for the condition", async () => {
  const manifest = {
    apiVersion: "spawner.dev/v1",
    kind: "SessionLivedBackend",
    metadata: { name: "shown" },
    spec: { template: { containers: [{ image: "example/app:1" }] } },
  };
  const of = ["-n", namespace];
  await kubectl(["create", ...of, "-f", "-"], JSON.stringify(manifest));
  const condition = { type: "Ready", status: "True", reason: "Listening", message: "It listens." };
  const setStatus = (status: object) =>
    kubectl([
      "patch",
      "slab",
      "shown",
      ...of,
      "--subresource",
      "status",
      "--type",
      "merge",
      "-p",
      JSON.stringify({ status }),
    ]);
  const waiting = kubectl(["wait", "--for=condition=Ready", "slab/shown", ...of, "--timeout=20s"]);
  const conditions = [{ ...condition, lastTransitionTime: new Date().toISOString() }];
  await setStatus({ phase: "Ready", ready: true, nodeName: "node-1", conditions });
  expect(await waiting).toContain("condition met");

  const rows = async (...selection: string[]) => (await kubectl(["get", "slab", ...of, ...selection])).split("\n");
  expect((await rows())[0]).toMatch(/^NAME +STATE +REASON +NODE +AGE$/);
  expect(await rows("--field-selector", "status.nodeName=node-1")).toContainEqual(
    expect.stringMatching(/^shown +Ready +node-1 +\d+s$/),
  );
  expect((await rows("--field-selector", "status.nodeName=node-2")).join("")).toBe("");
  await setStatus({ phase: "Swept", swept: true, reason: "Idle" });
  expect(await rows("--field-selector", "status.phase=Swept")).toContainEqual(
    expect.stringMatching(/^shown +Swept +Idle +node-1 +\d+s$/),
  );
});

test("changes that nothing would come of are refused, with what to do instead", async () => {
  const patch = (fields: object) =>
    kubectl(["patch", "slab", "shown", "-n", namespace, "--type", "merge", "-p", JSON.stringify({ spec: fields })]);
  const other = { template: { containers: [{ image: "example/app:2" }] } };
  await expect(patch(other)).rejects.toThrow(/delete it, and create another one/);
  await expect(patch({ template: { volumes: [{ name: "v", emptyDir: {} }] } })).rejects.toThrow(/create another one/);
  const ofRelay = ["httpPort", "gracePeriodSeconds", "firstClientSeconds", "silentConnectionSeconds"];
  for (const fields of ofRelay.map((field) => ({ [field]: 1 }))) {
    await expect(patch(fields), JSON.stringify(fields)).rejects.toThrow(/cannot be changed: the backend's relay/);
  }
  await expect(patch({ terminationGracePeriodSeconds: 31 })).rejects.toThrow(/can only be lowered/);
  await patch({ httpPort: 8080, lifetimeSeconds: 3_600, startupTimeoutSeconds: 60 });
  await patch({ stopRequested: true, terminationGracePeriodSeconds: 1 });
  await expect(patch({ stopRequested: false })).rejects.toThrow(/cannot be taken back/);
});

test("what print-slab prints is taken as it is", async () => {
  const flags = ["--image", "example/app:1", "--name", "printed", "--port", "3000", "--image-pull-secret", "key"];
  const manifest = await spawner(["print-slab", ...flags]);
  await kubectl(["create", "-n", namespace, "-f", "-"], manifest);
  expect((await getSlab("printed")).spec).toMatchObject((parse(manifest) as Slab).spec);
});

test("create-slab makes one under the name that is asked for, or under a generated one", async () => {
  const create = (...flags: string[]) =>
    spawner(["create-slab", "--image", "example/app:1", "-n", namespace, ...flags]);
  expect(await create("--name", "made")).toBe('Created: "made"\n');
  expect(await getSlab("made")).toMatchObject({ spec: { template: { containers: [{ image: "example/app:1" }] } } });
  const [, generated = ""] = /^Created: "(spawner-[a-z0-9]{5})"\n$/.exec(await create()) ?? [];
  expect((await getSlab(generated)).metadata.name).toBe(generated);
});

test("create-slab says what the cluster has against it", async () => {
  await expect(spawner(["create-slab", "--image", "a", "--name", "made", "-n", namespace])).rejects.toThrow(
    /exited with 1: spawner: Creating the backend failed: .*"made" already exists/,
  );
  await expect(spawner(["create-slab", "--image", "a", "-n", "no-such-namespace"])).rejects.toThrow(
    /namespaces "no-such-namespace" not found/,
  );
});

test("the session of docs/deploying.md is taken as it is, and has a name by which it is reached", async () => {
  const manifest = fileBlock(readDocument("docs/deploying.md"), "session.yaml");
  const { metadata, spec } = parse(manifest) as Slab;
  expect(nameMapping(defaultServicePrefix).idOf(metadata.name)).toBeDefined();
  // There is no namespace "spawner" here; fields that are not known are an error, and not left out in silence.
  const there = JSON.stringify({ ...(parse(manifest) as object), metadata: { ...metadata, namespace } });
  const flags = ["--dry-run=server", "--validate=strict", "--output=json", "--filename=-"];
  const taken = JSON.parse(await kubectl(["apply", ...flags], there)) as Slab;
  expect(taken.spec).toMatchObject(spec);
});

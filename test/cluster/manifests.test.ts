import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { kubectl } from "../support/cluster/kubectl.ts";
import { runSpawner } from "../support/dev.ts";

const namespace = `spawner-test-${randomUUID().slice(0, 8)}`;

interface Slab {
  metadata: { name: string };
  spec: unknown;
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

test("what print-slab prints is taken as it is", async () => {
  const flags = ["--image", "example/app:1", "--name", "printed", "--port", "3000", "--image-pull-secret", "key"];
  const manifest = await spawner(["print-slab", ...flags]);
  await kubectl(["create", "-n", namespace, "-f", "-"], manifest);
  expect((await getSlab("printed")).spec).toMatchObject((parse(manifest) as Slab).spec as object);
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

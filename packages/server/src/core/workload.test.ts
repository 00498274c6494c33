import { describe, expect, test } from "vitest";
import type { Backend, BackendSpec } from "./resource.ts";
import { buildWorkload, identityOf } from "./workload.ts";

const metadata = { name: "b", uid: "u", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z", labels: {} };
const makeBackend = (spec: BackendSpec): Backend => ({ metadata, spec, status: {} });

describe("the workload of a backend", () => {
  test("has every default filled in", () => {
    expect(buildWorkload(makeBackend({ template: { containers: [{}] }, httpPort: null }))).toEqual({
      name: "b",
      uid: "u",
      fencingToken: "1",
      command: undefined,
      args: undefined,
      workingDir: undefined,
      env: { SPAWNER_BACKEND: "b/u", SPAWNER_FENCING_TOKEN: "1" },
      httpPort: 8080,
      gracePeriodSeconds: 300,
      firstClientSeconds: 30,
      silentConnectionSeconds: 0,
      terminationGracePeriodSeconds: 30,
    });
  });

  test("is that of the first container, whatever its name, with what the spec says", () => {
    const first = { name: "any", image: "a", command: ["c"], args: ["d"], workingDir: "/e" };
    const durations = {
      gracePeriodSeconds: 1,
      firstClientSeconds: 2,
      terminationGracePeriodSeconds: 3,
      silentConnectionSeconds: 4,
    };
    const spec = { template: { containers: [first, { image: "other" }] }, httpPort: 0, ...durations };
    expect(buildWorkload(makeBackend(spec))).toMatchObject({
      command: ["c"],
      args: ["d"],
      workingDir: "/e",
      httpPort: 0,
      ...durations,
    });
  });

  test("takes the environment from the spec, the later of two, but nothing that Spawner sets itself", () => {
    const env = [
      { name: "A", value: "1" },
      { name: "A", value: "2" },
      { name: "EMPTY" },
      { name: "PORT", value: "1" },
      { name: "SPAWNER_BACKEND", value: "another" },
      { name: "SPAWNER_CONTROL_TOKEN", value: "forged" },
      { name: "SPAWNER_FENCING_TOKEN", value: "forged" },
      { name: "SPAWNER_KEY", value: "forged" },
    ];
    expect(buildWorkload(makeBackend({ template: { containers: [{ env }] } })).env).toEqual({
      A: "2",
      EMPTY: "",
      SPAWNER_BACKEND: "b/u",
      SPAWNER_FENCING_TOKEN: "1",
    });
  });

  test("of a key is told it", () => {
    const spec = { template: { containers: [{}] }, key: "document 42" };
    expect(buildWorkload(makeBackend(spec)).env).toMatchObject({ SPAWNER_KEY: "document 42" });
  });

  test("is named by its generation", () => {
    expect(identityOf({ metadata })).toBe("b/u");
  });
});

import { Command } from "commander";
import { describe, expect, test, vi } from "vitest";
import { addSlabFlags, type SlabFlags } from "./slab-flags.ts";
import { makeSlabManifest } from "./slab-manifest.ts";

function manifestOf(...args: string[]) {
  const command = addSlabFlags(new Command().exitOverride().configureOutput({ writeErr: () => {} }));
  return makeSlabManifest(command.parse(args, { from: "user" }).opts<SlabFlags>());
}

/**
 * What 0.1.9 makes of the same flags, without its nulls (`httpPort`, `imagePullSecrets`, `volumes`): to Kubernetes a field
 * that is null is one that was left out, and to Spawner both are the default.
 */
describe("the manifest is that of 0.1.9", () => {
  test("with the image alone", () => {
    expect(manifestOf("--image", "example/app:1")).toEqual({
      apiVersion: "spawner.dev/v1",
      kind: "SessionLivedBackend",
      metadata: { generateName: "spawner-" },
      spec: {
        template: { containers: [{ name: "application", image: "example/app:1", env: [] }] },
        gracePeriodSeconds: 300,
      },
    });
  });

  test("with every flag", () => {
    const flags = "--image example/app:1 --name demo --prefix p- -n team -p 3000 --grace-period-seconds 60";
    const pulling = "--image-pull-policy IfNotPresent --image-pull-secret s";
    expect(manifestOf(...`${flags} ${pulling}`.split(" "))).toEqual({
      apiVersion: "spawner.dev/v1",
      kind: "SessionLivedBackend",
      metadata: { name: "demo" },
      spec: {
        template: {
          containers: [{ name: "application", image: "example/app:1", imagePullPolicy: "IfNotPresent", env: [] }],
          imagePullSecrets: [{ name: "s" }],
        },
        gracePeriodSeconds: 60,
        httpPort: 3000,
      },
    });
  });

  test("with a prefix for the name that Kubernetes generates", () => {
    expect(manifestOf("--image", "a", "--prefix", "game-").metadata).toEqual({ generateName: "game-" });
  });
});

test("a grace period of 0 is 0, where 0.1.9 made it 300", () => {
  expect(manifestOf("--image", "a", "--grace-period-seconds", "0").spec.gracePeriodSeconds).toBe(0);
});

test("flags can be given as SPAWNER_<FLAG>, but not the port: SPAWNER_PORT is another one", () => {
  vi.stubEnv("SPAWNER_IMAGE", "from/env");
  vi.stubEnv("SPAWNER_PORT", "9000");
  try {
    const { template, httpPort } = manifestOf().spec;
    expect(template.containers[0]?.image).toBe("from/env");
    expect(httpPort).toBeUndefined();
  } finally {
    vi.unstubAllEnvs();
  }
});

test.each([
  [["--name", "No"], /'No' is invalid. Lower-case letters/],
  [["--prefix", "-a"], /'-a' is invalid. Lower-case letters/],
  [["-p", "65536"], /whole number from 0 to 65535/],
  [["--grace-period-seconds", "soon"], /whole number/],
  [["--image-pull-policy", "Sometimes"], /Always, IfNotPresent, Never/],
  [["--image", ""], /template.containers\[0\].image must not be empty/],
])("what no cluster would take is refused at once: %j", (args, message) => {
  expect(() => manifestOf("--image", "a", ...args)).toThrow(message);
});

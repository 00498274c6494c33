import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { sidecarNodeFlags } from "../../packages/server/src/engine/kubernetes/sidecar-container.ts";
import { runSpawner } from "../support/dev.ts";

const roles = ["controller", "sweeper", "api", "gateway"] as const;
const deploy = fileURLToPath(new URL("../../deploy/base", import.meta.url));
const nowhere = { KUBECONFIG: "/nowhere/kubeconfig", KUBERNETES_SERVICE_HOST: undefined };

async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const { output, exited } = runSpawner(args, { ...nowhere, ...env });
  return { code: await exited, text: output.text };
}

/** Names of the Services that are installed. */
function serviceNames(): string[] {
  const files = readdirSync(deploy).filter((name) => name.endsWith(".yaml"));
  const documents = files.flatMap((name) => readFileSync(join(deploy, name), "utf8").split(/^---$/m));
  return documents
    .filter((text) => /^kind: Service$/m.test(text))
    .map((text) => /^ {2}name: (\S+)$/m.exec(text)?.[1] ?? "");
}

/** What Kubernetes makes of a Service: https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables */
function isOfService(variable: string, service: string): boolean {
  const prefix = service.toUpperCase().replaceAll("-", "_");
  return new RegExp(`^${prefix}_(SERVICE_(HOST|PORT.*)|PORT(_.*)?)$`).test(variable);
}

test("each flag of a role that takes a value is a variable too, and none has the name of one that our Services make", async () => {
  const helps = await Promise.all(roles.map(async (role) => (await run([role, "--help"])).text));
  const services = serviceNames();
  expect(services.sort()).toEqual(["spawner-api", "spawner-gateway"]);
  for (const help of helps) {
    const text = help.slice(0, help.indexOf("Examples:")).replaceAll(/\s+/g, " ");
    const flags = [...text.matchAll(/--([a-z0-9-]+) </g)].map(([, name = ""]) => name);
    const variables = [...text.matchAll(/SPAWNER_[A-Z0-9_]+/g)].map(([name]) => name);
    expect(flags.length).toBeGreaterThan(5);
    expect(variables).toEqual(
      expect.arrayContaining(flags.map((flag) => `SPAWNER_${flag.toUpperCase().replaceAll("-", "_")}`)),
    );
    expect(variables.filter((name) => services.some((service) => isOfService(name, service)))).toEqual([]);
  }
});

test.each([
  [
    "api",
    [
      "--api-server-base",
      "http://a",
      "-n",
      "s",
      "-p",
      "80",
      "--service-prefix",
      "x-",
      "--url-template",
      "http://{}",
      "--allow-anonymous",
    ],
  ],
  ["api", ["--namespace", "s", "--port", "80", "--tokens-file", "/nowhere"]],
  ["controller", ["--image-pull-secret", "s", "--namespace", "n", "--sidecar", "image"]],
  ["sweeper", ["--namespace", "n", "--node-name", "n", "--port", "80"]],
])("%s takes the flags that it had in 0.1.9: %o", async (role, flags) => {
  const { code, text } = await run([role, "--metrics-port", "0", ...flags]);
  expect(text).toBe("spawner: /nowhere/kubeconfig, which says how to reach the cluster, cannot be read.\n");
  expect(code).toBe(2);
});

test("the sweeper's port, which has no meaning, may be what Kubernetes makes of a Service", async () => {
  const { text } = await run(["sweeper", "--metrics-port", "0"], { SPAWNER_PORT: "tcp://10.96.0.7:80" });
  expect(text).toBe("spawner: /nowhere/kubeconfig, which says how to reach the cluster, cannot be read.\n");
});

test.each([
  ["api", ["--allow-anonymous"], { SPAWNER_PORT: "tcp://10.96.0.7:80" }, /SPAWNER_PORT.*enableServiceLinks: false/],
  ["sweeper", [], { SPAWNER_METRICS_PORT: "tcp://10.96.0.7:80" }, /SPAWNER_METRICS_PORT.*enableServiceLinks: false/],
  ["api", [], {}, /--tokens-file FILE.*--allow-anonymous/],
  ["api", ["--allow-anonymous", "--templates-only"], {}, /--templates-only needs templates.*--templates FOLDER/],
  ["gateway", ["--api-url", "spawner-api"], {}, /--api-url.*A URL without a path is needed/],
  ["gateway", ["--drain-seconds", "-1"], {}, /drain-seconds.*A whole number from 0/],
  ["controller", ["--records-max", "many"], {}, /records-max.*A whole number from 1/],
  ["controller", ["--log-level", "loud"], {}, /log-level.*debug, info, warn, error/],
  ["sweeper", ["--kubeconfig", "/nowhere/else"], {}, /\/nowhere\/else/],
] as const)("%s %o with %o says what is wrong, and exits with 2", async (role, flags, env, message) => {
  const { code, text } = await run([role, ...flags], env);
  expect(text).toMatch(message);
  expect(code).toBe(2);
});

test("gateways are started with the flags of Node that sidecars have, and that which these take once they serve", () => {
  const [, command = ""] =
    /^ +command: \[(node, .*)\]$/m.exec(readFileSync(join(deploy, "gateway.yaml"), "utf8")) ?? [];
  expect(command.split(", ")).toEqual(["node", "--no-maglev", ...sidecarNodeFlags, "/app/dist/spawner.js"]);
});

import { Command } from "commander";
import { afterEach, expect, test, vi } from "vitest";
import { addApiCommand } from "./api.ts";
import { addControllerCommand } from "./controller.ts";
import { addGatewayCommand } from "./gateway.ts";
import { addSidecarCommand } from "./sidecar.ts";
import { addSweeperCommand } from "./sweeper.ts";

/** What a role is told by a command line, which it does not act upon. */
function flagsOf(add: (program: Command) => void, line: string): Record<string, unknown> {
  const program = new Command().exitOverride().configureOutput({ writeErr() {} });
  add(program);
  const [command] = program.commands;
  command?.exitOverride().action(() => {});
  program.parse([command?.name() ?? "", ...line.split(" ").filter((word) => word !== "")], { from: "user" });
  return command?.opts() ?? {};
}

afterEach(() => void vi.unstubAllEnvs());

/** The flags of 0.1.9's manifests and help. */
test.each<[string, (program: Command) => void, string, object]>([
  [
    "api",
    addApiCommand,
    "-n spawner -p 18080 --url-template http://gw/{}/ --api-server-base http://api --service-prefix x-",
    {
      namespace: "spawner",
      port: 18080,
      urlTemplate: "http://gw/{}/",
      apiServerBase: "http://api",
      servicePrefix: "x-",
    },
  ],
  [
    "controller",
    addControllerCommand,
    "--namespace spawner --sidecar ghcr.io/a/b:latest --image-pull-secret s",
    { namespace: "spawner", sidecar: "ghcr.io/a/b:latest", imagePullSecret: "s" },
  ],
  [
    "sweeper",
    addSweeperCommand,
    "--namespace spawner --node-name vm --port 8080",
    { namespace: "spawner", nodeName: "vm" },
  ],
  ["sidecar", addSidecarCommand, "--serve-port=9090 --upstream-port=8123", { servePort: 9090, upstreamPort: 8123 }],
  ["sidecar without flags", addSidecarCommand, "", { servePort: 9090, upstreamPort: 8080, eventsOnServePort: false }],
  ["sidecar of any port", addSidecarCommand, "--upstream-port 0", { upstreamPort: 0 }],
])("the %s takes the flags of 0.1.9", (_, add, line, flags) => {
  expect(flagsOf(add, line)).toMatchObject(flags);
});

test("api has the defaults of 0.1.9", () => {
  expect(flagsOf(addApiCommand, "")).toMatchObject({ port: 8080, servicePrefix: "spawner-" });
});

test.each([
  ["api", addApiCommand],
  ["controller", addControllerCommand],
  ["gateway", addGatewayCommand],
])("--compat-0.1.9 is a switch of the %s, and SPAWNER_COMPAT_0_1_9 is too", (_, add) => {
  expect(flagsOf(add, "").compat).toBeFalsy();
  expect(flagsOf(add, "--compat-0.1.9").compat).toBe(true);
  vi.stubEnv("SPAWNER_COMPAT_0_1_9", "1");
  expect(flagsOf(add, "").compat).toBe(true);
});

test.each([
  ["/p", "/p"],
  ["/p/", "/p"],
  ["/a/b-c", "/a/b-c"],
  ["/", ""],
])("the gateway's path prefix %s is %j", (given, path) => {
  expect(flagsOf(addGatewayCommand, `--path-prefix ${given}`).pathPrefix).toBe(path);
});

test.each(["p", "/a//b", "/a?b", "/api", "/healthz/x"])("%s is no path prefix", (path) => {
  expect(() => flagsOf(addGatewayCommand, `--path-prefix ${path}`)).toThrow(/such as \/p is needed/);
});

test("a switch of the sidecar", () => {
  expect(flagsOf(addSidecarCommand, "--events-on-serve-port").eventsOnServePort).toBe(true);
});

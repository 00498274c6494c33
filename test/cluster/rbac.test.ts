import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { clusterRoles, compatRules, roleRules } from "../../packages/server/src/cli/role-rules.ts";
import { connectUser, post } from "../support/cluster/connected.ts";
import { eventually } from "../support/cluster/eventually.ts";
import { accessIn, describeAccess, grantsOf, isUseOf } from "../support/cluster/grants.ts";
import { type Role, spawnRequestFor, spawnThrough } from "../support/cluster/install.ts";
import { kubectl } from "../support/cluster/kubectl.ts";
import { makeNamespace, type TestNamespace } from "../support/cluster/namespace.ts";
import { type ObservedRole, startObservedRole } from "../support/cluster/observed-role.ts";
import { type Manifest, manifestsOf, testImage } from "../support/cluster/overlay.ts";

let namespace: TestNamespace;
beforeEach(async () => {
  namespace = await makeNamespace();
});
afterEach(() => namespace.dispose());

test.each([
  { of: "base", flags: [], pathPrefix: "" },
  { of: "overlays/compat-0.1.9", flags: ["--compat-0.1.9"], pathPrefix: "/p" },
])("each role may do all that it does and nothing else, in deploy/$of", async ({ of, flags, pathPrefix }) => {
  const manifests = await manifestsOf({ of, namespace: namespace.name });
  await applyAccounts(manifests);
  await kubectl(["create", "--filename=-"], JSON.stringify(secretOfBefore()));
  const roles = await startRoles(flags);
  // What is not allowed explains best why a session has not come to its end.
  const trouble = await liveThroughEverything(roles, pathPrefix).catch((error: unknown) => error);
  for (const [role, { forbidden }] of Object.entries(roles)) {
    expect(forbidden.map(describeAccess), `not granted to the ${role}`).toEqual([]);
  }
  if (trouble !== undefined) throw trouble;
  for (const [role, { asked }] of Object.entries(roles) as [Role, ObservedRole][]) {
    const grants = grantsOf(manifests, role);
    const unused = () => grants.filter((grant) => !asked.some((access) => isUseOf(grant, access)));
    await eventually(() => expect(unused().map(describeAccess), `never used by the ${role}`).toEqual([]));
  }
});

test.each([
  { of: "base", expected: { base: roleRules } },
  { of: "overlays/compat-0.1.9", expected: { base: roleRules, compat: compatRules } },
])("deploy/$of grants what spawner doctor checks", async ({ of, expected }) => {
  const manifests = await manifestsOf({ of });
  for (const role of clusterRoles) {
    const rules = [...expected.base[role], ...(expected.compat?.[role] ?? [])];
    const needed = rules.flatMap(({ group, resource, name, verbs }) =>
      verbs.map((verb) => describeAccess(accessIn(group, { verb, resource, ...(name === undefined ? {} : { name }) }))),
    );
    expect(grantsOf(manifests, role).map(describeAccess).toSorted(), role).toEqual(needed.toSorted());
  }
});

test("a gateway that may not read the keys is not ready, says why, and is when it may", async () => {
  const manifests = await manifestsOf({ of: "base", namespace: namespace.name });
  const isOfKeys = ({ resources }: { resources: string[] }) => resources.includes("secrets");
  const withoutKeys = manifests.map((manifest) =>
    manifest.kind === "Role" && manifest.metadata.name === "spawner-gateway"
      ? { ...manifest, rules: (manifest.rules as { resources: string[] }[]).filter((rule) => !isOfKeys(rule)) }
      : manifest,
  );
  await applyAccounts(withoutKeys);
  const gateway = await startObservedRole("gateway", { namespace: namespace.name, flags: [] });
  const readiness = async () => (await (await fetch(`${gateway.healthUrl}/readyz`)).text()).trim();
  await eventually(async () => expect(await readiness()).toBe("the Secret spawner-keys has not been read yet"));
  await eventually(() => expect(gateway.forbidden.map(describeAccess)).toContain("list secrets spawner-keys"));
  await applyAccounts(manifests);
  await eventually(async () => expect(await readiness()).toBe("ready"));
});

/** Only the accounts and what they may do: the roles run here. */
async function applyAccounts(manifests: readonly Manifest[]): Promise<void> {
  const kinds = ["CustomResourceDefinition", "ServiceAccount", "Role", "RoleBinding"];
  const items = manifests.filter(({ kind }) => kinds.includes(kind));
  await kubectl(["apply", "--filename=-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
}

async function startRoles(flags: readonly string[]): Promise<Record<Role, ObservedRole>> {
  const start = (role: Role, ...own: string[]) => startObservedRole(role, { namespace: namespace.name, flags: own });
  const [controller, api, gateway, sweeper] = await Promise.all([
    // The records of what has ended go soon.
    start("controller", "--retain-seconds", "1", ...flags),
    start("api", ...flags),
    start("gateway", ...flags),
    start("sweeper"),
  ]);
  return { controller, api, gateway, sweeper };
}

/** What can happen to sessions, as far as it makes a role ask the API server for something else, until none is remembered. */
async function liveThroughEverything(
  { api, gateway, sweeper }: Record<Role, ObservedRole>,
  pathPrefix: string,
): Promise<void> {
  const apiUrl = api.url;
  const sessions = `${gateway.url}${pathPrefix}`;
  // The answer to a write is lost, so that whoever wrote has to look.
  let isLost = false;
  sweeper.proxy.onWrite = ({ body }) => {
    if (isLost || !body.includes("Swept")) return undefined;
    isLost = true;
    return { kind: "cut", moment: "after" };
  };
  await loseKeys();
  await spawnThrough(apiUrl, spawnRequestFor("echo-program.mjs", { gracePeriodSeconds: 1, firstClientSeconds: 1 }));
  // Ends well and by itself: what it wrote last has to be read.
  await spawnThrough(apiUrl, { image: testImage });
  await kubectl(["create", "--filename=-"], JSON.stringify(slabWithoutItsVolume()));
  const stopped = await spawnThrough(apiUrl, spawnRequestFor("echo-program.mjs"));

  expect((await fetch(`${sessions}/${stopped}/`)).status).toBe(200);
  expect((await fetch(`${sessions}/bcdfghjklm/`)).status).toBe(404);
  expect((await fetch(`${apiUrl}/backend/bcdfghjklm/status`)).status).toBe(404);
  await eventually(async () =>
    expect(await (await fetch(`${apiUrl}/backend/${stopped}/logs`)).text()).toContain("listening"),
  );
  expect((await fetch(`${apiUrl}/backend/${stopped}`, { method: "DELETE" })).ok).toBe(true);
  await connectAndRevoke(apiUrl, sessions);
  await eventually(async () => {
    expect(await kubectl(["get", "slab", "--namespace", namespace.name, "--output=name"])).toBe("");
  }, 60_000);
}

/** A user of a key is let in and taken off, and the next generation is asked for before the one before is gone. */
async function connectAndRevoke(apiUrl: string, sessions: string): Promise<void> {
  const connect = () => connectUser(apiUrl, { key: "doc", user: "ada" });
  const first = await connect();
  const open = async () => {
    const headers = { authorization: `Bearer ${first.token}` };
    return (await fetch(`${sessions}/${first.backend}/`, { headers })).status;
  };
  await eventually(async () => expect(await open()).toBe(200)); // once the gateway has heard of the keys
  expect((await post(apiUrl, `/backend/${first.backend}/revoke`, { user: "ada" })).status).toBe(200);
  await eventually(async () => expect(await open()).toBe(401));
  const end = () => fetch(`${apiUrl}/backend/${first.backend}`, { method: "DELETE" });
  expect((await end()).ok).toBe(true);
  expect((await connect()).generation).not.toBe(first.generation);
  expect((await end()).ok).toBe(true);
}

const keysSecret = "spawner-keys";

/** As a controller made it that knew of no connection tokens. */
function secretOfBefore(): object {
  const metadata = { name: keysSecret, namespace: namespace.name };
  return { apiVersion: "v1", kind: "Secret", metadata, stringData: { "control-key": randomBytes(32).toString("hex") } };
}

/** The controller completes the Secret that it has found, and makes it again where it is deleted. */
async function loseKeys(): Promise<void> {
  const secret = ["secret", keysSecret, "--namespace", namespace.name];
  const signingKeys = async () => {
    const keys = await kubectl(["get", ...secret, "--output=jsonpath={.data.signing-keys}"]);
    expect(keys).not.toBe("");
    return keys;
  };
  const keys = await eventually(signingKeys);
  await kubectl(["delete", ...secret]);
  expect(await eventually(signingKeys)).toBe(keys);
}

/** Its Pod waits for a Secret that never comes, which only an event tells. */
function slabWithoutItsVolume(): object {
  const secret = { secretName: "no-such-secret" };
  return {
    apiVersion: "spawner.dev/v1",
    kind: "SessionLivedBackend",
    metadata: { name: "spawner-waiting", namespace: namespace.name },
    spec: {
      startupTimeoutSeconds: 5,
      template: {
        containers: [{ name: "app", image: testImage, volumeMounts: [{ name: "secret", mountPath: "/secret" }] }],
        volumes: [{ name: "secret", secret }],
      },
    },
  };
}

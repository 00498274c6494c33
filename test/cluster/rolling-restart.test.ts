import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { eventually } from "../support/cluster/eventually.ts";
import { type Installation, install, type Role } from "../support/cluster/install.ts";
import { EchoClient } from "../support/cluster/traffic.ts";

const sessionCount = 4;
const usersPerSession = 5;
/** How long the gateway of the overlay lets connections end by themselves, before it closes them. */
const drainMs = 10_000;

let spawner: Installation;
let ids: string[];
let users: EchoClient[] = [];

beforeAll(async () => {
  spawner = await install({ of: "overlays/local" });
  ids = await Promise.all(Array.from({ length: sessionCount }, () => spawner.spawn()));
});
afterEach(() => {
  for (const user of users) user.close();
});
afterAll(() => spawner?.dispose());

test("a rolling restart of all roles but the gateway disturbs no connection", async () => {
  users = await connectAll();
  await echoWhile(async () => {
    for (const role of ["controller", "sweeper", "api"] as const) {
      const before = await podsOf(role);
      await spawner.restart(role);
      await eventually(async () => {
        const after = await podsOf(role);
        expect(after).toHaveLength(before.length);
        expect(after.filter((name) => before.includes(name))).toEqual([]);
      }, 45_000);
    }
  });
  await expectAllReady();
});

test("a gateway that is replaced closes its connections only after their time to end, and sessions live on", async () => {
  users = await connectAll();
  const [old = ""] = await podsOf("gateway");
  // Whoever comes meanwhile is served, by the old one or the new one.
  const ending = await newUsersWhile(async () => {
    await spawner.restart("gateway");
    await eventually(async () => {
      expect(await spawner.kubectl("get", old, "--output=jsonpath={.metadata.deletionTimestamp}")).not.toBe("");
    });
    return performance.now();
  });

  const closedAtMs = await Promise.all(users.map((user) => closing(user)));
  // It is told to end before this test sees that; what it may do later only, it must not do sooner after that either.
  expect(Math.min(...closedAtMs) - ending).toBeGreaterThan(drainMs);
  expect(Math.max(...closedAtMs) - Math.min(...closedAtMs)).toBeGreaterThan(drainMs);
  await expectAllReady();
  users = await connectAll();
  await Promise.all(users.map((user) => user.echo("again")));
});

function connectAll(): Promise<EchoClient[]> {
  const all = ids.flatMap((id) => Array.from({ length: usersPerSession }, () => id));
  return Promise.all(all.map((id) => connect(id)));
}

function connect(id: string): Promise<EchoClient> {
  return EchoClient.open(`${spawner.gatewayUrl}/${id}/`);
}

/** Has all users echo for as long as `act` takes. Rejects when one of them is disconnected. */
async function echoWhile(act: () => Promise<void>): Promise<void> {
  let isOver = false;
  const acting = act().finally(() => {
    isOver = true;
  });
  const echoing = (async () => {
    while (!isOver) {
      await Promise.all(users.map((user) => user.echo("still here")));
      await pause(100);
    }
  })();
  await Promise.all([acting, echoing]);
}

/** Connects anew, again and again, for as long as `act` takes, and gives what it resolves to. Rejects when that fails once. */
async function newUsersWhile<Result>(act: () => Promise<Result>): Promise<Result> {
  let isOver = false;
  const acting = act().finally(() => {
    isOver = true;
  });
  const connecting = (async () => {
    for (let count = 0; !isOver; count++) {
      const user = await connect(ids[count % ids.length] ?? "");
      await user.echo("new");
      user.close();
      await pause(50);
    }
  })();
  const [result] = await Promise.all([acting, connecting]);
  return result;
}

/** When the connection is closed, by performance.now(). It echoes until then. */
async function closing(user: EchoClient): Promise<number> {
  while (user.closed === undefined) {
    await user.echo("until the end").catch((error: unknown) => {
      if (user.closed === undefined) throw error;
    });
    await pause(100);
  }
  return performance.now();
}

async function podsOf(role: Role): Promise<string[]> {
  const selector = `--selector=spawner.dev/role=${role}`;
  return (await spawner.kubectl("get", "pods", selector, "--output=name")).split("\n").filter((name) => name !== "");
}

async function expectAllReady(): Promise<void> {
  const states = await spawner.kubectl("get", "slab", "--output=jsonpath={.items[*].status.phase}");
  expect(states.split(" ")).toEqual(ids.map(() => "Ready"));
}

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Backend } from "../../packages/server/src/core/resource.ts";
import { applyCrd } from "../support/cluster/apply-crd.ts";
import { eventually } from "../support/cluster/eventually.ts";
import { spawnRequestFor } from "../support/cluster/install.ts";
import { makeNamespace, type TestNamespace } from "../support/cluster/namespace.ts";
import { startRoleProcess } from "../support/cluster/role-process.ts";
import { createSession, podsOf, readSession, sessionSpec, untilState } from "../support/cluster/session.ts";
import { EchoClient, keepEchoing } from "../support/cluster/traffic.ts";
import {
  LegacyController,
  type LegacySlab,
  type LegacyStep,
  legacySteps,
  slabsPath,
} from "../support/compat/controller-019.ts";
import { legacySpec } from "../support/compat/legacy-spec.ts";
import { LegacySweeper } from "../support/compat/sweeper-019.ts";

let namespace: TestNamespace;

beforeAll(async () => {
  namespace = await makeNamespace("spawner-compat");
  await applyCrd(namespace.client);
});
afterAll(() => namespace?.dispose());

/** One of our roles, until the test, or whatever is `over`, or `end` ends it. */
async function start(
  role: "controller" | "sweeper" | "gateway" | "api",
  { flags = [], over = onTestFinished }: { flags?: readonly string[]; over?: (end: () => Promise<void>) => void } = {},
) {
  const compat = role === "sweeper" ? [] : ["--compat-0.1.9"];
  const place = { namespace: namespace.name, flags: [...compat, ...flags] };
  const process = await startRoleProcess(role, place);
  let ending: Promise<void> | undefined;
  const end = () => {
    ending ??= process.end("SIGTERM");
    return ending;
  };
  over(end);
  return { url: process.url, log: process.log, end };
}

function startLegacySweeper(): LegacySweeper {
  const sweeper = new LegacySweeper(namespace.client);
  onTestFinished(() => sweeper.close());
  return sweeper;
}

function get<Kind>(path: string, query: Record<string, string> = {}): Promise<Kind> {
  return namespace.client.json({ method: "GET", path, query });
}

const core = (plural: string, name = "") =>
  `/api/v1/namespaces/${namespace.name}/${plural}${name === "" ? "" : `/${name}`}`;

interface Event {
  readonly action: string;
  readonly eventTime: string;
  readonly reportingComponent: string;
  readonly involvedObject: { readonly uid: string };
}

/** As the API of 0.1.9 asks for them, and puts them in order. */
async function eventsOf({ metadata }: Pick<Backend, "metadata">): Promise<Event[]> {
  const fieldSelector = `involvedObject.name=${metadata.name},involvedObject.kind=SessionLivedBackend`;
  const { items } = await get<{ items: Event[] }>(core("events"), { fieldSelector });
  return items.toSorted((a, b) => (a.eventTime < b.eventTime ? -1 : 1));
}

async function until(name: string, state: Parameters<typeof untilState>[2]["state"]): Promise<Backend> {
  return untilState(namespace.client, name, { state });
}

/** Where 0.1.9's nginx sends the requests for a backend: the Service, here by its address. */
function serviceUrl({ status }: { status?: { ip?: string | undefined } }): string {
  return `http://${status?.ip}:9090/`;
}

async function required(name: string): Promise<Backend> {
  const backend = await readSession(namespace.client, name);
  if (backend === undefined) throw new Error(`there is no ${name}`);
  return backend;
}

async function openEcho(url: string): Promise<EchoClient> {
  const client = await eventually(() => EchoClient.open(url));
  onTestFinished(() => client.close());
  return client;
}

async function untilPodGone(name: string): Promise<void> {
  await eventually(async () => expect(await podsOf(namespace.client)).not.toContain(name));
}

describe("with --compat-0.1.9", () => {
  test("a resource of 0.1.9 gets all that its routers, its API and its sweeper look for", async () => {
    await Promise.all([start("controller"), start("sweeper")]);
    await new LegacyController(namespace.client).create("dressed", legacySpec());
    const backend = await until("dressed", "Ready");
    const pod = await get<{ spec: { nodeName: string }; metadata: object }>(core("pods", "dressed"));
    const service = await get<{ spec: { clusterIP: string; selector: object; ports: object[] }; metadata: object }>(
      core("services", "dressed"),
    );
    expect(service).toMatchObject({
      metadata: { labels: { run: "dressed" }, ownerReferences: [{ uid: backend.metadata.uid, controller: true }] },
      spec: {
        selector: { run: "dressed" },
        ports: [{ name: "spawner-app", port: 9090, targetPort: 9090, protocol: "TCP" }],
      },
    });
    expect(backend.status).toMatchObject({
      constructed: true,
      scheduled: true,
      running: true,
      ready: true,
      nodeName: pod.spec.nodeName,
      ip: service.spec.clusterIP,
      url: `http://dressed.${namespace.name}:9090/`,
    });
    expect(pod).toMatchObject({ metadata: { labels: { run: "dressed" } } });
    await eventually(async () => {
      const labelled = await readSession(namespace.client, "dressed");
      expect(labelled?.metadata.labels).toMatchObject({ spawnerGroup: pod.spec.nodeName });
      const events = await eventsOf(backend);
      expect(events.map(({ action }) => action)).toEqual(["Constructed", "Scheduled", "Running", "Ready"]);
      for (const { eventTime, reportingComponent, involvedObject } of events) {
        expect(eventTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
        expect(reportingComponent).toBe("spawner.dev/sessionlivedbackend");
        expect(involvedObject.uid).toBe(backend.metadata.uid);
      }
    });
    await (await openEcho(serviceUrl(backend))).echo("by the Service");
  });

  test("a Service of that name which is somebody else's is left alone, and the backend served without", async () => {
    const ports = [{ port: 80 }];
    await namespace.client.json({
      method: "POST",
      path: core("services"),
      body: { metadata: { name: "taken", labels: { mine: "yes" } }, spec: { ports, clusterIP: "None" } },
    });
    const [gateway, controller] = await Promise.all([start("gateway"), start("controller"), start("sweeper")]);
    await createSession(namespace.client, "taken", sessionSpec("echoes"));
    const backend = await until("taken", "Ready");
    await (await openEcho(`${gateway.url}/p/taken/`)).echo("by the gateway");
    const service = await get<object>(core("services", "taken"));
    expect(service).toMatchObject({ metadata: { labels: { mine: "yes" } }, spec: { clusterIP: "None" } });
    expect(service).not.toHaveProperty("metadata.ownerReferences");

    // It is told once, in the log and at the Pod, how the session gets its own.
    const pod = await get<{ metadata: { uid: string }; status: { podIP: string } }>(core("pods", "taken"));
    expect(backend.status.ip).toBe(pod.status.podIP);
    const remedy = expect.stringContaining(`kubectl delete service taken --namespace ${namespace.name}`);
    const fieldSelector = `involvedObject.uid=${pod.metadata.uid},reason=NoService`;
    await eventually(async () => {
      const { items } = await get<{ items: object[] }>(core("events"), { fieldSelector });
      expect(items).toEqual([expect.objectContaining({ type: "Warning", message: remedy })]);
    });
    const lines = controller
      .log()
      .split("\n")
      .filter((line) => line.includes("the backend has no Service"));
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
      expect.objectContaining({ level: 40, backend: "taken", problem: remedy }),
    ]);
  });

  test("a program that listens on a port of its own choice is found, and no port of the sidecar's", async () => {
    const [gateway] = await Promise.all([start("gateway"), start("controller"), start("sweeper")]);
    const spec = sessionSpec("echoes", { httpPort: 0 });
    const [{ command = [], ...container } = {}] = spec.template.containers;
    const choosing = [...command.slice(0, -1), `process.env.PORT = "3333";\n${command.at(-1)}`];
    await createSession(namespace.client, "any-port", {
      ...spec,
      template: { containers: [{ ...container, command: choosing }] },
    });
    await (await openEcho(`${gateway.url}/p/any-port/`)).echo("found");
  });

  test("the sweeper of 0.1.9 says that ours is ready, and sweeps it when its last user has gone", async () => {
    const [gateway] = await Promise.all([start("gateway"), start("controller")]);
    const sweeper = startLegacySweeper();
    await new LegacyController(namespace.client).create("theirs-sweeps", legacySpec({ gracePeriodSeconds: 3 }));
    const user = await openEcho(`${gateway.url}/p/theirs-sweeps/`); // waits there until it is ready
    await keepEchoing([user], { untilMs: performance.now() + 5_000 });
    // What it left out is there: when, and the condition that people wait for.
    await eventually(async () =>
      expect((await readSession(namespace.client, "theirs-sweeps"))?.status).toMatchObject({
        phase: "Ready",
        transitions: { Ready: { time: expect.any(String) } },
        conditions: [{ type: "Ready", status: "True" }],
      }),
    );
    user.leave();
    await until("theirs-sweeps", "Swept");
    await untilPodGone("theirs-sweeps");
    expect(sweeper.streams.get("theirs-sweeps")).toMatchObject({ hasDied: false });
    const record = await eventually(async () => {
      const found = await readSession(namespace.client, "theirs-sweeps");
      expect(found?.status).toMatchObject({ phase: "Swept", reason: "Idle", transitions: { Swept: {} } });
      return found;
    });
    expect(record?.status.conditions).toMatchObject([{ type: "Ready", status: "False", reason: "Idle" }]);
  });
});

describe("what 0.1.9 made", () => {
  const legacy = () => new LegacyController(namespace.client);

  test("our sweeper says that it is ready, holds it while somebody is there, and sweeps it afterwards", async () => {
    const slab = await legacy().create("ours-sweeps", legacySpec({ gracePeriodSeconds: 3 }));
    const gateway = await start("gateway");
    const coming = openEcho(`${gateway.url}/p/ours-sweeps/`); // waits there until it is ready
    await legacy().workUntil(slab, "running");
    await start("sweeper");
    const user = await coming;
    await keepEchoing([user], { untilMs: performance.now() + 6_000 });
    user.leave();
    const leftMs = performance.now();
    const swept = await until("ours-sweeps", "Swept");
    expect(performance.now() - leftMs).toBeGreaterThan(2_900);
    expect(swept.status).toMatchObject({ reason: "Idle", phase: "Swept" });
    await legacy().deleteSwept();
    await untilPodGone("ours-sweeps");
  });

  describe("is taken over", () => {
    const marks = { ready: { ready: true }, swept: { ready: true, swept: true } };
    const made = new Map<string, { slab: LegacySlab; podUid: string | undefined }>();
    const ends: (() => Promise<void>)[] = [];

    beforeAll(async () => {
      const prepare = async (name: string, step: LegacyStep, status?: object) => {
        const slab = await legacy().create(`left-at-${name.toLowerCase()}`, legacySpec());
        await legacy().workUntil(slab, step);
        const path = `${slabsPath(namespace.client)}/${slab.metadata.name}/status`;
        if (status !== undefined) await namespace.client.json({ method: "PATCH", path, body: { status } });
        made.set(name, { slab, podUid: await podUid(slab.metadata.name) });
      };
      await Promise.all([
        ...legacySteps.map((step) => prepare(step, step)),
        ...Object.entries(marks).map(([mark, status]) => prepare(mark, "running", status)),
      ]);
      const over = (end: () => Promise<void>) => void ends.push(end);
      await Promise.all([start("controller", { over }), start("sweeper", { over })]);
    });
    afterAll(() => Promise.all(ends.map((end) => end())));

    function left(name: string) {
      const found = made.get(name);
      if (found === undefined) throw new Error(`nothing was prepared for ${name}`);
      return found;
    }

    test.each([...legacySteps, "ready"])("where it was left behind: %s", async (name) => {
      const { slab, podUid: before } = left(name);
      await until(slab.metadata.name, "Ready");
      const backend = await eventually(() => expectWhole(slab));
      if (before !== undefined) expect(await podUid(slab.metadata.name)).toBe(before);
      await (await openEcho(serviceUrl(backend))).echo("taken over");
    });

    test("where it was swept, and not deleted", async () => {
      const { name } = left("swept").slab.metadata;
      await untilPodGone(name);
      await eventually(async () => {
        const record = await readSession(namespace.client, name);
        expect(record?.status).toMatchObject({ phase: "Swept", reason: "Idle", transitions: { Swept: {} } });
      });
    });
  });

  async function podUid(name: string): Promise<string | undefined> {
    if (!(await podsOf(namespace.client)).includes(name)) return undefined;
    return (await get<{ metadata: { uid: string } }>(core("pods", name))).metadata.uid;
  }

  /** Everything is there that a backend of ours has, and nothing twice. */
  async function expectWhole({ metadata: { name, uid } }: LegacySlab): Promise<Backend> {
    const backend = await until(name, "Ready");
    expect(backend.metadata.uid).toBe(uid);
    expect(backend.status).toMatchObject({
      phase: "Ready",
      conditions: [{ type: "Ready", status: "True" }],
      podUID: await podUid(name),
      url: `http://${name}.${namespace.name}:9090/`,
    });
    const states = ["Submitted", "Constructed", "Scheduled", "Running", "Ready"];
    expect(Object.keys(backend.status.transitions ?? {}).toSorted()).toEqual(states.toSorted());
    const service = await get<object>(core("services", name));
    expect(service).toMatchObject({ metadata: { ownerReferences: [{ uid }] }, spec: { clusterIP: backend.status.ip } });
    expect((await podsOf(namespace.client)).filter((pod) => pod.startsWith(name))).toEqual([name]);
    return backend;
  }
});

describe("a move from 0.1.9", () => {
  test("and back loses no session: WebSockets stay open, and each is swept when its user has gone", async () => {
    const legacy = new LegacyController(namespace.client);
    const theirs = startLegacySweeper();
    const old = await legacy.create("old", legacySpec({ gracePeriodSeconds: 4 }));
    await legacy.workUntil(old, "running");
    const oldUser = await openEcho(serviceUrl(await required("old")));
    await until("old", "Ready");

    // There: its controller is stopped, ours comes; then the sweepers change places.
    const controller = await start("controller");
    await keepEchoing([oldUser], { untilMs: performance.now() + 2_000 });
    const sweeper = await start("sweeper");
    theirs.close();
    const gateway = await start("gateway");
    const api = await start("api", { flags: ["--url-template", `${gateway.url}/p/{}/`] });
    const id = await spawn(api.url);
    const newUser = await openEcho(`${gateway.url}/p/${id}/`);
    await keepEchoing([oldUser, newUser], { untilMs: performance.now() + 6_000 });

    // And back: its sweeper serves what ours made, and its controller deletes it.
    const again = startLegacySweeper();
    await sweeper.end();
    await controller.end();
    await keepEchoing([oldUser, newUser], { untilMs: performance.now() + 6_000 });
    for (const name of ["old", id]) expect(again.streams.get(name)).toMatchObject({ dials: 1, hasDied: false });
    for (const user of [oldUser, newUser]) user.leave();
    await eventually(async () => {
      await legacy.deleteSwept();
      expect(await readSession(namespace.client, "old")).toBeUndefined();
      expect(await readSession(namespace.client, id)).toBeUndefined();
    });
    await untilPodGone("old");
    await untilPodGone(id);
  });

  async function spawn(apiUrl: string): Promise<string> {
    const body = spawnRequestFor("echo-program.mjs", { gracePeriodSeconds: 4, color: "not known" });
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${apiUrl}/spawn`, { method: "POST", headers, body: JSON.stringify(body) });
    expect(response.status).toBe(200);
    return ((await response.json()) as { name: string }).name;
  }
});

import type { BackendList, BackendView, SpawnResponse } from "@spawner/client";
import { describe, expect, test, vi } from "vitest";
import { startApi } from "./fixture.ts";

type TestApi = Awaited<ReturnType<typeof startApi>>;

async function spawn(api: TestApi, request: object = {}): Promise<string> {
  const response = await api.post(JSON.stringify(request));
  expect(response.status).toBe(200);
  return ((await response.json()) as SpawnResponse).name;
}

async function getJson<Body>(api: TestApi, path: string): Promise<Body> {
  return (await (await fetch(`${api.url}${path}`)).json()) as Body;
}

describe("POST /spawn", () => {
  test("answers in the shape of 0.1.9", async () => {
    const api = await startApi({ imageNamesTemplate: false });
    const response = await api.post('{"image":"default","port":8123,"env":{"GREETING":"hi"},"gracePeriodSeconds":6}');
    const { name, ...rest } = (await response.json()) as SpawnResponse;
    expect(name).toMatch(/^[a-z0-9]{10}$/);
    expect(rest).toEqual({
      url: `http://gw.example/p/${name}/`,
      readyUrl: `http://api.example/backend/${name}/ready`,
      statusUrl: `http://api.example/backend/${name}/status`,
    });
    const backend = await api.engine.backends.get(`spawner-${name}`);
    expect(backend?.spec).toEqual({
      template: {
        containers: [
          {
            name: "application",
            image: "default",
            env: [{ name: "GREETING", value: "hi" }],
          },
        ],
      },
      httpPort: 8123,
      gracePeriodSeconds: 6,
    });
  });

  test("uses the operator's defaults for what a request leaves out", async () => {
    const api = await startApi({ defaults: { gracePeriodSeconds: 7 } });
    const [unset, set] = [await spawn(api), await spawn(api, { gracePeriodSeconds: 9 })];
    expect(await getJson<BackendView>(api, `/backend/${unset}`)).toMatchObject({ gracePeriodSeconds: 7 });
    expect(await getJson<BackendView>(api, `/backend/${set}`)).toMatchObject({ gracePeriodSeconds: 9 });
  });

  test("limits silence as the operator says, unless a request says otherwise", async () => {
    const api = await startApi({ defaults: { silentConnectionSeconds: 600 } });
    const [unset, set] = [await spawn(api), await spawn(api, { silentConnectionSeconds: 0 })];
    const specOf = async (id: string) => (await api.engine.backends.get(`spawner-${id}`))?.spec;
    expect(await specOf(unset)).toMatchObject({ silentConnectionSeconds: 600 });
    expect(await specOf(set)).toMatchObject({ silentConnectionSeconds: 0 });
  });
});

test("what a caller in the same process gives as undefined is left out", async () => {
  const api = await startApi({ defaults: { gracePeriodSeconds: 7 } });
  const { name } = await api.spawn({ image: undefined, env: undefined, gracePeriodSeconds: undefined });
  expect((await api.engine.backends.get(`spawner-${name}`))?.spec).toEqual({
    template: {
      containers: [{ name: "application", image: "default", command: ["sleep", "60"], workingDir: "/", env: [] }],
    },
    gracePeriodSeconds: 7,
  });
});

describe("GET /backend/:id/status and ready", () => {
  test("follow the life of a backend", async () => {
    const api = await startApi();
    const id = await spawn(api);
    const ready = () => fetch(`${api.url}/backend/${id}/ready`, { redirect: "manual" });
    expect(await getJson(api, `/backend/${id}/status`)).toEqual({ state: "Submitted", time: expect.any(String) });
    expect((await ready()).status).toBe(409);
    await api.reach(id, "Constructed", "Scheduled", "Running", "Ready");
    expect(await getJson(api, `/backend/${id}/status`)).toEqual({ state: "Ready", time: expect.any(String) });
    expect((await ready()).status).toBe(302);
    expect((await ready()).headers.get("location")).toBe(`http://gw.example/p/${id}/`);
    await api.end(id, "Idle");
    const swept = { state: "Swept", reason: "Idle", message: "because of Idle", time: expect.any(String) };
    expect(await getJson(api, `/backend/${id}/status`)).toEqual(swept);
    const over = await ready();
    expect(over.status).toBe(410);
    expect(await over.json()).toMatchObject({ code: "backend_ended", message: expect.stringContaining("Idle") });
  });
});

describe("GET /backend/:id/status/stream", () => {
  const statesOf = (text: string) => [...text.matchAll(/"state":"(\w+)"/g)].map(([, state]) => state);

  test("replays what was, tells what comes, and ends after the end", async () => {
    const api = await startApi();
    const id = await spawn(api);
    await api.reach(id, "Constructed", "Scheduled");
    const response = await fetch(`${api.url}/backend/${id}/status/stream`);
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    expect(response.headers.get("cache-control")).toBe("no-cache");
    const text = response.text();
    await api.reach(id, "Running", "Ready");
    await api.end(id, "Idle");
    expect(statesOf(await text)).toEqual(["Submitted", "Constructed", "Scheduled", "Running", "Ready", "Swept"]);
    expect(await text).toMatch(/^id: [0-9a-f-]{36}\/Submitted\ndata: \{"state":"Submitted","time":"[^"]+"\}\n\n/);
  });

  test("tells that it is stopping, from the request to end, before the end; then nobody is sent to it", async () => {
    const api = await startApi();
    const id = await spawn(api);
    await api.reach(id, "Constructed", "Scheduled", "Running", "Ready");
    const text = (await fetch(`${api.url}/backend/${id}/status/stream`)).text();
    const stopped = await fetch(`${api.url}/backend/${id}`, { method: "DELETE" });
    const stopping = { state: "Stopping", time: expect.any(String) };
    expect(await stopped.json()).toMatchObject(stopping);
    expect(await getJson(api, `/backend/${id}/status`)).toEqual(stopping);
    const ready = await fetch(`${api.url}/backend/${id}/ready`, { redirect: "manual" });
    expect([ready.status, await ready.json()]).toMatchObject([409, { code: "not_ready", message: /it is Stopping/ }]);
    await api.end(id, "Requested");
    const states = ["Submitted", "Constructed", "Scheduled", "Running", "Ready", "Stopping", "Swept"];
    expect(statesOf(await text)).toEqual(states);
    expect(statesOf(await (await fetch(`${api.url}/backend/${id}/status/stream`)).text())).toEqual(states);
    const uid = (await api.engine.backends.get(`spawner-${id}`))?.metadata.uid;
    const headers = { "last-event-id": `${uid}/Stopping` };
    expect(statesOf(await (await fetch(`${api.url}/backend/${id}/status/stream`, { headers })).text())).toEqual([
      "Swept",
    ]);
  });

  test("resumes behind the last event that the client has, of the same generation", async () => {
    const api = await startApi();
    const id = await spawn(api);
    await api.reach(id, "Constructed", "Scheduled", "Running", "Ready");
    await api.end(id, "Requested");
    const uid = (await api.engine.backends.get(`spawner-${id}`))?.metadata.uid;
    const resume = async (lastEventId: string) => {
      const response = await fetch(`${api.url}/backend/${id}/status/stream`, {
        headers: { "last-event-id": lastEventId },
      });
      return statesOf(await response.text());
    };
    expect(await resume(`${uid}/Running`)).toEqual(["Ready", "Swept"]);
    expect(await resume("another/Running")).toHaveLength(6);
    expect(await resume("another/Swept")).toHaveLength(6);
  });

  test("answers 204 to who has the last state, as a browser's EventSource wants it to come to rest", async () => {
    const api = await startApi();
    const id = await spawn(api);
    const uid = (await api.engine.backends.get(`spawner-${id}`))?.metadata.uid;
    await api.end(id, "Requested");
    for (const method of ["GET", "HEAD"]) {
      const headers = { "last-event-id": `${uid}/Swept` };
      const response = await fetch(`${api.url}/backend/${id}/status/stream`, { method, headers });
      expect([method, response.status, await response.text()]).toEqual([method, 204, ""]);
      expect(response.headers.get("content-type")).toBeNull();
    }
  });

  test("says so when the record is deleted, and ends", async () => {
    const api = await startApi();
    const id = await spawn(api);
    const response = await fetch(`${api.url}/backend/${id}/status/stream`);
    const backend = await api.engine.backends.get(`spawner-${id}`);
    await api.engine.backends.delete({ name: `spawner-${id}`, uid: backend?.metadata.uid ?? "" });
    expect(statesOf(await response.text())).toEqual(["Submitted", "Swept"]);
  });

  test("ends with the server", async () => {
    const api = await startApi();
    const id = await spawn(api);
    const response = await fetch(`${api.url}/backend/${id}/status/stream`);
    const ended = response.text().catch(() => "cut");
    await api.close();
    await ended;
  });
});

describe("GET /backends", () => {
  test("pages through all of them, and chooses by label", async () => {
    const api = await startApi();
    for (let i = 0; i < 5; i++) await spawn(api);
    await api.engine.backends.create({
      name: "spawner-labelled",
      labels: { team: "a" },
      spec: { template: { containers: [{}] } },
    });
    await api.engine.backends.create({ name: "without-prefix", spec: { template: { containers: [{}] } } });
    const seen: string[] = [];
    let after = "";
    do {
      const page = await getJson<BackendList>(api, `/backends?limit=2${after === "" ? "" : `&continue=${after}`}`);
      seen.push(...page.backends.map(({ name }) => name));
      after = page.continue ?? "";
    } while (after !== "");
    expect(seen).toHaveLength(6);
    expect(new Set(seen).size).toBe(6);
    const labelled = async (query: string) =>
      (await getJson<BackendList>(api, `/backends?${query}`)).backends.map(({ name }) => name);
    expect(await labelled("label=team=a")).toEqual(["labelled"]);
    expect(await labelled("label=team+in+(a,b),!stage")).toEqual(["labelled"]);
    expect(await labelled("label=team&label=team!=a")).toEqual([]);
    expect(await labelled("label=!team")).toHaveLength(5);
  });

  test("names the key and the user, for whoever looks for one", async () => {
    const api = await startApi();
    const body = JSON.stringify({ key: "document-42", user: "ada" });
    const headers = { "content-type": "application/json" };
    await fetch(`${api.url}/connect`, { method: "POST", headers, body });
    const { backends } = await getJson<BackendList>(api, "/backends");
    expect(backends).toMatchObject([{ key: "document-42", user: "ada" }]);
    expect(await getJson(api, `/backend/${backends[0]?.name}`)).toEqual(backends[0]);
    const other = await spawn(api);
    const { key, user } = await getJson<BackendView>(api, `/backend/${other}`);
    expect({ key, user }).toEqual({});
  });
});

test("DELETE asks for the end; what has ended is shown as it is", async () => {
  const api = await startApi();
  const id = await spawn(api);
  const remove = () => fetch(`${api.url}/backend/${id}`, { method: "DELETE" });
  expect((await remove()).status).toBe(202);
  expect((await api.engine.backends.get(`spawner-${id}`))?.spec.stopRequested).toBe(true);
  await api.end(id, "Requested");
  expect((await remove()).status).toBe(200);
});

describe("what has ended while its program goes on", () => {
  async function startEnding() {
    const api = await startApi();
    const id = await spawn(api, { terminationGracePeriodSeconds: 60 });
    await api.end(id, "Idle");
    let kind: "stopping" | "absent" = "stopping";
    api.engine.workloads.observe = async () => ({ kind });
    const stop = (query = "") => fetch(`${api.url}/backend/${id}${query}`, { method: "DELETE" });
    const gone = () => {
      kind = "absent";
    };
    return { api, id, stop, gone };
  }

  test("is said to be ending, wherever it is shown, until nothing is left of it", async () => {
    const { api, id, stop, gone } = await startEnding();
    const shown = async () => [
      await getJson<BackendView>(api, `/backend/${id}`),
      ...(await getJson<BackendList>(api, "/backends")).backends,
      (await (await stop()).json()) as BackendView,
    ];
    const ending = { name: id, state: "Swept", reason: "Idle", terminationGracePeriodSeconds: 60, ending: true };
    expect(await shown()).toMatchObject([ending, ending, ending]);
    gone();
    for (const view of await shown()) expect(view).not.toHaveProperty("ending");
  });

  test("can be hurried, and is left alone once it is gone", async () => {
    const { api, id, stop, gone } = await startEnding();
    const grace = async () => (await api.engine.backends.get(`spawner-${id}`))?.spec.terminationGracePeriodSeconds;
    const hurried = await stop("?graceSeconds=3");
    expect(hurried.status).toBe(200);
    expect(await hurried.json()).toMatchObject({ ending: true, terminationGracePeriodSeconds: 3 });
    await stop("?graceSeconds=4");
    expect(await grace()).toBe(3);
    await stop("?graceSeconds=0");
    expect(await grace()).toBe(0);
    gone();
    const { metadata } = (await api.engine.backends.get(`spawner-${id}`)) ?? expect.unreachable();
    await stop("?graceSeconds=0");
    expect((await api.engine.backends.get(`spawner-${id}`))?.metadata).toEqual(metadata);
  });

  test.each(["-1", "1.5", "x", "", "315360001"])("cannot be given %j seconds", async (given) => {
    const { stop } = await startEnding();
    const answer = await stop(`?graceSeconds=${given}`);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ message: expect.stringContaining("graceSeconds") });
  });
});

test("a backend that lives is never said to be ending, and its grace can be shortened as it is asked to end", async () => {
  const api = await startApi();
  const id = await spawn(api);
  api.engine.workloads.observe = async () => ({ kind: "stopping" });
  expect(await getJson(api, `/backend/${id}`)).not.toHaveProperty("ending");
  const answer = await fetch(`${api.url}/backend/${id}?graceSeconds=7`, { method: "DELETE" });
  expect(answer.status).toBe(202);
  expect((await api.engine.backends.get(`spawner-${id}`))?.spec).toMatchObject({
    stopRequested: true,
    terminationGracePeriodSeconds: 7,
  });
});

test("says that it lives, and when it knows the backends", async () => {
  const api = await startApi();
  expect(await getJson(api, "/healthz")).toEqual({});
  await vi.waitFor(async () => expect((await fetch(`${api.url}/readyz`)).status).toBe(200));
});

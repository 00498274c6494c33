import { describe, expect, test } from "vitest";
import { startApi, type TestApiOptions } from "./fixture.ts";

/** What 0.1.9 answered to a request was `text`, but for the id, which it names `<id>` here. */
async function spawnText(body: string, options: TestApiOptions = {}) {
  const api = await startApi({
    compat: true,
    imageNamesTemplate: false,
    urlTemplate: "http://gw.example/p/{}/",
    apiServerBase: "http://127.0.0.1:18080",
    ...options,
  });
  const response = await api.post(body);
  const text = await response.text();
  const id = /"name":"([a-z0-9]+)"/.exec(text)?.[1] ?? "none";
  const backend = await api.engine.backends.get(`spawner-${id}`);
  return { status: response.status, text: text.replaceAll(id, "<id>"), spec: backend?.spec };
}

test("states are those that 0.1.9 knew, also of a backend that is stopping", async () => {
  const api = await startApi({ compat: true });
  const { name } = (await (await api.post('{"image":"default"}')).json()) as { name: string };
  const text = (await fetch(`${api.url}/backend/${name}/status/stream`)).text();
  await api.reach(name, "Running", "Ready");
  await fetch(`${api.url}/backend/${name}`, { method: "DELETE" });
  expect(await (await fetch(`${api.url}/backend/${name}/status`)).json()).toMatchObject({ state: "Ready" });
  expect((await fetch(`${api.url}/backend/${name}/ready`, { redirect: "manual" })).status).toBe(302);
  await api.end(name, "Requested");
  expect([...(await text).matchAll(/"state":"(\w+)"/g)].map(([, state]) => state)).toEqual([
    "Submitted",
    "Running",
    "Ready",
    "Swept",
  ]);
});

describe("POST /spawn as 0.1.9 had it", () => {
  test("answers in its very words, fields in its order", async () => {
    const { status, text } = await spawnText('{"image":"default"}');
    expect([status, text]).toEqual([
      200,
      '{"url":"http://gw.example/p/<id>/","name":"<id>","readyUrl":"http://127.0.0.1:18080/backend/<id>/ready","statusUrl":"http://127.0.0.1:18080/backend/<id>/status"}',
    ]);
  });

  test("says null where it does not know a URL", async () => {
    const unknown: object = { apiServerBase: undefined, urlTemplate: undefined };
    const api = await startApi({ compat: true, ...unknown });
    const text = await (await api.post('{"image":"default"}')).text();
    expect(text.replace(/[a-z0-9]{10}/, "<id>")).toBe('{"url":null,"name":"<id>","readyUrl":null,"statusUrl":null}');
  });

  test("passes over fields that it does not know, and those that are null", async () => {
    const body = '{"image":"default","port":null,"gracePeriodSeconds":null,"color":"red","labels":{"a":1}}';
    const { status, spec } = await spawnText(body);
    expect(status).toBe(200);
    expect(spec).toEqual({ template: { containers: [{ name: "application", image: "default", env: [] }] } });
  });

  test("needs no image where a template is named", async () => {
    const { status, spec } = await spawnText('{"template":"default","image":null}');
    expect(status).toBe(200);
    expect(spec).toMatchObject({ template: { containers: [{ image: "default" }] } });
  });

  test("has the port decide where env has a PORT as well", async () => {
    const { status, spec } = await spawnText('{"image":"default","port":0,"env":{"PORT":"1","A":"b"}}');
    expect(status).toBe(200);
    expect(spec).toMatchObject({ httpPort: 0, template: { containers: [{ env: [{ name: "A", value: "b" }] }] } });
  });

  test.each([
    ["no image", "{}", /^image is missing\.$/],
    ["an image that is null", '{"image":null}', /image is missing/],
    ["an image that is a number", '{"image":5}', /image must be a string; 5 was given/],
    ["a port that is a string", '{"image":"a","port":"80"}', /port must be a whole number/],
    ["port 70000", '{"image":"a","port":70000}', /at most 65535/],
    ["a grace period below 0", '{"image":"a","gracePeriodSeconds":-1}', /at least 0/],
    ["a variable that is a number", '{"image":"a","env":{"A":1}}', /env\.A must be a string/],
    ["an env that is no object", '{"image":"a","env":["PORT"]}', /env must be an object/],
    ["an array", "[]", /must be an object/],
    ["null", "null", /must be an object/],
  ])("refuses %s", async (_, body, message) => {
    const { status, text } = await spawnText(body);
    expect(status).toBe(400);
    expect((JSON.parse(text) as { message: string }).message).toMatch(message);
  });
});

test("without it, an unknown field is refused", async () => {
  const api = await startApi();
  expect((await api.post('{"color":"red"}')).status).toBe(400);
});

describe("what 0.1.9's clients go on to ask", () => {
  async function follow() {
    const api = await startApi({ compat: true });
    const { name: id } = (await (await api.post('{"image":"default"}')).json()) as { name: string };
    const get = (path: string, method = "GET") => fetch(`${api.url}${path}`, { method, redirect: "manual" });
    return { api, id, get };
  }

  test("the state has the fields that it had, in their order", async () => {
    const { api, id, get } = await follow();
    await api.reach(id, "Constructed", "Scheduled", "Running", "Ready");
    const response = await get(`/backend/${id}/status`);
    expect(response.headers.get("content-type")).toMatch(/^application\/json/);
    expect(await response.text()).toMatch(/^\{"state":"Ready","time":"\d{4}-\d\d-\d\dT[\d:.]+Z"\}$/);
  });

  test("ready is 409, then 302 to the backend", async () => {
    const { api, id, get } = await follow();
    expect((await get(`/backend/${id}/ready`)).status).toBe(409);
    await api.reach(id, "Ready");
    const response = await get(`/backend/${id}/ready`);
    expect([response.status, response.headers.get("location")]).toEqual([302, `http://gw.example/p/${id}/`]);
  });

  test("the stream has an event a state, with the same JSON", async () => {
    const { api, id, get } = await follow();
    await api.reach(id, "Constructed", "Scheduled", "Running", "Ready");
    const response = await get(`/backend/${id}/status/stream`);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(response.headers.get("cache-control")).toBe("no-cache");
    await api.end(id, "Idle");
    const data = [...(await response.text()).matchAll(/^data: ?(.*)$/gm)].map(([, json = ""]) => json);
    expect(data.map((json) => (JSON.parse(json) as { state: string }).state)).toEqual([
      "Submitted",
      "Constructed",
      "Scheduled",
      "Running",
      "Ready",
      "Swept",
    ]);
    for (const json of data) expect(json).toMatch(/^\{"state":"\w+","time":"[^"]+"/);
  });

  test.each([
    ["GET", "/backend/nosuch/ready", 404],
    ["GET", "/backend/a%2Fb/ready", 404],
    ["GET", "/nosuch", 404],
    ["GET", "/spawn", 405],
    // 204, and a stream that says nothing for ever, were no answers.
    ["GET", "/backend/nosuch/status", 404],
    ["GET", "/backend/nosuch/status/stream", 404],
  ])("%s %s is answered with %i", async (method, path, status) => {
    const { get } = await follow();
    const response = await get(path, method);
    expect(response.status).toBe(status);
    if (status === 405) expect(response.headers.get("allow")).toMatch(/\bPOST\b/);
  });
});

import { describe, expect, test } from "vitest";
import { startApi, type TestApiOptions } from "./fixture.ts";

/** What 0.1.9 answered to a request was `text`, but for the id, which it names `<id>` here. */
async function spawnText(body: string, options: TestApiOptions = {}) {
  const api = await startApi({
    compat: true,
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

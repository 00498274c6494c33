import type { ConnectRequest, ConnectResponse, ErrorBody, SpawnRequest, SpawnResponse } from "@spawner/client";
import { describe, expect, test } from "vitest";
import type { BackendSpec } from "../core/resource.ts";
import { startApi, type TestApiOptions } from "./fixture.ts";

/** As a Pod's template has it: more than what is read here. */
const container = {
  name: "game",
  image: "game:1",
  resources: { limits: { memory: "64Mi" } },
  env: [
    { name: "SECRET", valueFrom: {} },
    { name: "LEVEL", value: "1" },
  ],
};
const pod = { nodeSelector: { size: "large" }, containers: [container] };
const game: BackendSpec = { gracePeriodSeconds: 60, lifetimeSeconds: 3_600, template: pod };
const chat: BackendSpec = { template: { containers: [{ name: "application", image: "chat:1", env: [] }] } };

/** The API as on a cluster, with these templates; a test may change them. */
async function setUp(given: Record<string, BackendSpec> = { game, chat }, options: TestApiOptions = {}) {
  const templates = new Map(Object.entries(given));
  const templateOf = (spec: BackendSpec | undefined) => spec && { spec };
  const api = await startApi({
    templates: { find: (name) => templateOf(templates.get(name)), names: () => [...templates.keys()] },
    imageNamesTemplate: false,
    ...options,
  });
  const send = async <Answer>(path: string, body: object) => {
    const response = await api.send(path, body);
    return { status: response.status, ...((await response.json()) as Answer) };
  };
  const specOf = async (id: string) => (await api.engine.backends.get(`spawner-${id}`))?.spec;
  return {
    templates,
    specOf,
    connect: (request: ConnectRequest) => send<ConnectResponse>("/connect", request),
    spawned: async (request: SpawnRequest) => specOf((await send<SpawnResponse>("/spawn", request)).name),
    refused: (path: string, request: object) => send<ErrorBody>(path, request),
    records: async () => (await api.engine.backends.list()).items.length,
  };
}

describe("a backend of a template", () => {
  test("runs what it says", async () => {
    const { spawned, connect, specOf } = await setUp();
    expect(await spawned({ template: "chat" })).toEqual(chat);
    const { backend } = await connect({ template: "chat", key: "doc" });
    expect(await specOf(backend)).toEqual({ ...chat, requireToken: true, key: "doc" });
  });

  test("has the request's fields over the template's, each variable for itself, and the template's over the defaults", async () => {
    const { spawned } = await setUp({ game }, { defaults: { gracePeriodSeconds: 5 } });
    const env = { LEVEL: "2", MODE: "ranked" };
    const request = { template: "game", env, port: 9_000, image: "game:2", lifetimeSeconds: 7 };
    expect(await spawned(request)).toEqual({
      gracePeriodSeconds: 60,
      lifetimeSeconds: 7,
      httpPort: 9_000,
      template: {
        nodeSelector: { size: "large" },
        containers: [
          {
            ...container,
            image: "game:2",
            env: [
              { name: "SECRET", valueFrom: {} },
              { name: "LEVEL", value: "2" },
              { name: "MODE", value: "ranked" },
            ],
          },
        ],
      },
    });
    expect(container.env).toHaveLength(2); // what is shared is never changed
  });

  test("that is named by nobody is the only one, or the one called default; an image needs none", async () => {
    const { spawned, templates } = await setUp({ chat });
    expect(await spawned({})).toEqual(chat);
    templates.set("game", game);
    expect((await spawned({}))?.template.containers[0]?.image).toBeUndefined();
    templates.set("default", chat);
    expect(await spawned({})).toEqual(chat);
    expect((await spawned({ image: "other:1" }))?.template.containers).toEqual([
      { name: "application", image: "other:1", env: [] },
    ]);
  });

  test("lives on when the template is edited, is stale from then on, and its key's next one runs the new one", async () => {
    const { connect, specOf, templates } = await setUp({ chat });
    const request = { template: "chat", key: "doc" };
    const first = await connect(request);
    expect(await connect(request)).toMatchObject({ generation: first.generation, stale: false });
    templates.set("chat", { ...chat, lifetimeSeconds: 60 });
    expect(await connect({ ...request, onSpecChange: "keep" })).toMatchObject({
      generation: first.generation,
      stale: true,
    });
    expect(await specOf(first.backend)).not.toHaveProperty("stopWhenIdle");
    expect(await connect(request)).toMatchObject({ generation: first.generation, stale: true });
    expect(await specOf(first.backend)).toMatchObject({ stopWhenIdle: true });
  });
});

describe.each(["/spawn", "/connect"])("%s refuses", (path) => {
  test.each([
    [
      "an unknown template",
      { template: "other" },
      /^There is no template with the name "other"; known are "game", "chat"/,
    ],
    ["a name of JavaScript's own", { template: "__proto__" }, /^There is no template with the name "__proto__"/],
    ["an empty name", { template: "" }, /^template must not be empty/],
    ["a variable of Spawner's own", { template: "chat", env: { SPAWNER_KEY: "x" } }, /must not have the name/],
    ["a command", { template: "chat", command: ["sh"] }, /^unknown field "command"/],
  ])("%s", async (_, request, message) => {
    const { refused, records } = await setUp();
    expect(await refused(path, request)).toMatchObject({
      status: 400,
      code: "invalid_request",
      message: expect.stringMatching(message),
    });
    expect(await records()).toBe(0);
  });

  test("a template where there are none", async () => {
    const { refused } = await setUp({});
    const message = 'There is no template with the name "game"; there are no templates here (--templates).';
    expect(await refused(path, { template: "game" })).toMatchObject({ status: 400, message });
  });

  test("more names than a message should have", async () => {
    const { refused } = await setUp(Object.fromEntries(Array.from({ length: 23 }, (_, index) => [`t${index}`, chat])));
    expect((await refused(path, { template: "x" })).message).toMatch(/"t18", "t19", and 3 more\.$/);
  });

  test("an environment that is too long together with the template's", async () => {
    const value = "x".repeat(100_000);
    const variables = (prefix: string) =>
      Array.from({ length: 6 }, (_, index) => ({ name: `${prefix}${index}`, value }));
    const { refused } = await setUp({
      chat: { template: { containers: [{ image: "chat:1", env: variables("A") }] } },
    });
    const env = Object.fromEntries(variables("B").map(({ name }) => [name, value]));
    expect((await refused(path, { template: "chat", env })).message).toMatch(
      /^env must have at most 1048576 bytes in all/,
    );
  });

  test("images where only templates may be taken", async () => {
    const { refused, spawned } = await setUp({ game, chat }, { templatesOnly: true });
    const message =
      'image cannot be chosen here (--templates-only): name a template instead; known are "game", "chat".';
    for (const request of [{ image: "game:1" }, { image: "game:1", template: "game" }]) {
      expect(await refused(path, request)).toMatchObject({ status: 400, code: "invalid_request", message });
    }
    expect(await refused(path, {})).toMatchObject({ message: 'template is missing; known are "game", "chat".' });
    expect(await spawned({ template: "chat" })).toEqual(chat);
  });

  test("an image that is not allowed over a template's, whose own need not be", async () => {
    const { refused, spawned } = await setUp({ chat }, { images: ["game:*"] });
    expect((await refused(path, { template: "chat", image: "other:1" })).message).toMatch(/\(--images\)/);
    expect(await spawned({ template: "chat" })).toEqual(chat);
  });

  test("two names of templates where an image is one as well", async () => {
    const { refused, spawned } = await setUp({ game, chat }, { imageNamesTemplate: true });
    expect((await refused(path, { template: "chat", image: "game" })).message).toMatch(/^template and image both name/);
    expect((await refused(path, { image: "other" })).message).toMatch(/^There is no template with the name "other"/);
    for (const request of [{ image: "chat" }, { image: "chat", template: "chat" }]) {
      expect(await spawned(request)).toEqual(chat);
    }
  });

  test("a port where each program is given one of its own", async () => {
    const { refused } = await setUp({ chat }, { imageNamesTemplate: true });
    for (const route of ["/spawn", "/connect"]) {
      expect(await refused(route, { port: 9_000 })).toMatchObject({
        code: "invalid_request",
        message:
          "port cannot be chosen here: each program has to listen on the one that it is given as PORT; 9000 was given.",
      });
    }
  });
});

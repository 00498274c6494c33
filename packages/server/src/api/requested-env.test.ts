import type { ErrorBody, SpawnResponse } from "@spawner/client";
import { describe, expect, test } from "vitest";
import type { BackendSpec } from "../core/resource.ts";
import { startApi, type TestApiOptions } from "./fixture.ts";
import type { Template } from "./templates.ts";

const licence = { name: "LICENCE", valueFrom: { secretKeyRef: { name: "app", key: "licence" } } };
const notebook: BackendSpec = {
  template: {
    containers: [{ image: "notebook:1", env: [licence, { name: "PATH", value: "/opt:$(LICENCE)" }] }],
  },
};

/** The API as on a cluster, with a template. */
async function setUp(options: TestApiOptions = {}, template: Omit<Template, "spec"> = {}) {
  const api = await startApi({
    templates: { find: (name) => (name === "notebook" ? { spec: notebook, ...template } : undefined), names: () => [] },
    imageNamesTemplate: false,
    expandsEnv: true,
    ...options,
  });
  const { send } = api;
  return {
    send,
    refusal: async (path: string, body: object) => {
      const response = await send(path, body);
      return { status: response.status, ...((await response.json()) as ErrorBody) };
    },
    envOf: async (body: object) => {
      const { name } = (await (await send("/spawn", body)).json()) as SpawnResponse;
      return (await api.engine.backends.get(`spawner-${name}`))?.spec.template.containers[0]?.env;
    },
    records: async () => (await api.engine.backends.list()).items.length,
  };
}

describe.each(["/spawn", "/connect"])("%s takes no variable that would change what is run", (path) => {
  const env = { THEME: "dark", NODE_OPTIONS: "--import=data:text/javascript,hello()", PATH: "/tmp" };
  const one = (name: string) =>
    `env.${name} is not for callers to set, since it may change what is run: it is to be in the template`;

  test.each<[string, TestApiOptions, object]>([
    ["on one machine", { imageNamesTemplate: true, expandsEnv: false }, { template: "notebook" }],
    ["over a template", {}, { template: "notebook" }],
    ["over a template whose image is another", {}, { template: "notebook", image: "other:1" }],
    ["where only templates may be taken", { templatesOnly: true }, { template: "notebook" }],
    ["where only some images may be", { images: ["app:*"] }, { image: "app:1" }],
  ])("%s", async (_, options, request) => {
    const { send, refusal, records } = await setUp(options);
    expect(await refusal(path, { ...request, env })).toMatchObject({
      status: 400,
      code: "invalid_request",
      message: `${one("NODE_OPTIONS")}; ${one("PATH")}.`,
    });
    expect(await records()).toBe(0);
    expect((await send(path, { ...request, env: { THEME: "dark" } })).status).toBe(200);
  });

  test("but from those who may choose any image", async () => {
    const { send } = await setUp();
    expect((await send(path, { image: "app:1", env })).status).toBe(200);
  });
});

describe("a template that says which variables callers may set", () => {
  test("takes those and no others", async () => {
    const { refusal, envOf } = await setUp({}, { callerEnv: ["THEME", "USER_*"] });
    const env = { THEME: "dark", USER_NAME: "ada", TITLE: "x" };
    expect(await refusal("/spawn", { template: "notebook", env })).toMatchObject({
      status: 400,
      message: "env.TITLE is not for callers of this template to set, which permits THEME, USER_* (callerEnv).",
    });
    expect(await envOf({ template: "notebook", env: { THEME: "dark", USER_NAME: "ada" } })).toHaveLength(4);
  });

  test("takes none where there are none", async () => {
    const { send, refusal } = await setUp({}, { callerEnv: [] });
    expect((await refusal("/connect", { template: "notebook", env: { A: "1" } })).message).toMatch(/permits none/);
    expect((await send("/connect", { template: "notebook" })).status).toBe(200);
  });

  test("takes one that may change what is run by its whole name alone", async () => {
    const { send, refusal } = await setUp({}, { callerEnv: ["NODE_*", "PATH"] });
    const asked = { template: "notebook", env: { PATH: "/bin", NODE_OPTIONS: "--inspect", NODE_ENV: "test" } };
    expect((await refusal("/spawn", asked)).message).toMatch(/^env\.NODE_OPTIONS is not for callers to set[^;]*$/);
    expect((await send("/spawn", { ...asked, env: { PATH: "/bin", NODE_ENV: "test" } })).status).toBe(200);
  });
});

describe("a caller's value that looks like a reference to a variable", () => {
  const env = { TITLE: "$(LICENCE) for $5, $$" };
  const stored = { name: "TITLE", value: "$$(LICENCE) for $$5, $$$$" };

  test("is itself on a cluster, where a template's own refers to it", async () => {
    const { envOf } = await setUp();
    expect(await envOf({ template: "notebook", env })).toEqual([
      licence,
      { name: "PATH", value: "/opt:$(LICENCE)" },
      stored,
    ]);
    expect(await envOf({ image: "app:1", env })).toEqual([stored]);
  });

  test("is not another spec than the one that lives", async () => {
    const { send } = await setUp();
    const connect = async (given: object) =>
      (await send("/connect", { image: "app:1", key: "doc", env: given })).json();
    await connect({ ...env, A: "1" });
    expect(await connect({ A: "1", ...env })).toMatchObject({ spawned: false, stale: false });
    expect(await connect({ A: "1", TITLE: "$$(LICENCE) for $$5, $$$$" })).toMatchObject({ stale: true });
  });

  test("is stored as it is where nothing is put in its place", async () => {
    const { envOf } = await setUp({ imageNamesTemplate: true, expandsEnv: false });
    expect((await envOf({ template: "notebook", env }))?.at(-1)).toEqual({ name: "TITLE", value: env.TITLE });
  });

  test("is one for callers of 0.1.9, but not to what a template has", async () => {
    const { envOf } = await setUp({ compat: true });
    expect(await envOf({ image: "app:1", env })).toEqual([{ name: "TITLE", value: env.TITLE }]);
    expect((await envOf({ image: "app:1", template: "notebook", env }))?.at(-1)).toEqual(stored);
  });
});

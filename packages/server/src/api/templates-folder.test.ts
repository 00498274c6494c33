import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { FakeClock } from "../lib/fake-clock.ts";
import type { Log } from "../lib/log.ts";
import type { TemplateKind } from "./template-file.ts";
import { TemplatesFolder } from "./templates-folder.ts";

type Files = Readonly<Record<string, string>>;

function write(folder: string, files: Files) {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
}

function temporaryFolder(files: Files = {}): string {
  const folder = mkdtempSync(join(tmpdir(), "spawner-templates-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  write(folder, files);
  return folder;
}

/** The templates of a folder, what is logged of them, and time that passes on demand. */
async function open(path: string, kind: TemplateKind = "pod") {
  const errors: object[] = [];
  const ignore = () => {};
  const log: Log = { debug: ignore, info: ignore, warn: ignore, error: (fields) => void errors.push(fields) };
  const clock = new FakeClock();
  const templates = await TemplatesFolder.open(path, { kind, clock, log });
  const imageOf = (name: string) => templates.find(name)?.spec.template.containers[0]?.image;
  return {
    templates,
    imageOf,
    /** What there is a second later. */
    imagesLater() {
      clock.advance(1_000);
      return Object.fromEntries(templates.names().map((name) => [name, imageOf(name)]));
    },
    errors,
  };
}

describe("a file is a template", () => {
  test("of a Pod, by its image alone, or with all that a Pod's template has", async () => {
    const folder = temporaryFolder({
      "small.yaml": "image: game:1\n",
      "large.yml": `
port: 0
env: { MODE: ranked, LEVEL: "3" }
gracePeriodSeconds: 60
lifetimeSeconds: 3600
template:
  nodeSelector: { size: large }
  containers:
    - name: game
      image: game:2
      resources: { limits: { memory: 64Mi } }
      env:
        - { name: SECRET, valueFrom: { secretKeyRef: { name: game, key: secret } } }
        - { name: LEVEL, value: "1" }
    - { name: helper, image: helper:1 }
`,
      "short.json": '{ "image": "game:3" }',
      "README.md": "Nothing for Spawner.",
      ".hidden.yaml": "]",
    });
    const { templates } = await open(folder);
    expect(templates.names()).toEqual(["large", "short", "small"]);
    expect(templates.find("small")?.spec).toEqual({
      template: { containers: [{ name: "application", image: "game:1", env: [] }] },
    });
    expect(templates.find("large")?.spec).toEqual({
      httpPort: 0,
      gracePeriodSeconds: 60,
      lifetimeSeconds: 3600,
      template: {
        nodeSelector: { size: "large" },
        containers: [
          {
            name: "game",
            image: "game:2",
            resources: { limits: { memory: "64Mi" } },
            env: [
              { name: "SECRET", valueFrom: { secretKeyRef: { name: "game", key: "secret" } } },
              { name: "MODE", value: "ranked" },
              { name: "LEVEL", value: "3" },
            ],
          },
          { name: "helper", image: "helper:1" },
        ],
      },
    });
  });

  test("of a command", async () => {
    const folder = temporaryFolder({
      "game.yaml": 'command: [node, server.js, ""]\nworkingDir: /srv\nenv: { MODE: x }\n',
    });
    const { templates } = await open(folder, "command");
    expect(templates.find("game")?.spec).toEqual({
      template: {
        containers: [
          {
            name: "application",
            image: "game",
            command: ["node", "server.js", ""],
            workingDir: "/srv",
            env: [{ name: "MODE", value: "x" }],
          },
        ],
      },
    });
  });

  test.each(["pod", "command"] as const)("of a %s, that says which variables callers may set", async (kind) => {
    const what = kind === "pod" ? "image: game:1" : "command: [game]";
    const folder = temporaryFolder({
      "some.yaml": `${what}\ncallerEnv: [THEME, "USER_*"]\n`,
      "none.yaml": `${what}\ncallerEnv: []\n`,
      "any.yaml": `${what}\n`,
    });
    const { templates } = await open(folder, kind);
    expect(["some", "none", "any"].map((name) => templates.find(name)?.callerEnv)).toEqual([
      ["THEME", "USER_*"],
      [],
      undefined,
    ]);
    expect(templates.find("some")?.spec).not.toHaveProperty("callerEnv");
  });
});

describe("what cannot be used is refused at the start, by its file and its place:", () => {
  const cases: [string, TemplateKind, Files, string | RegExp][] = [
    ["no YAML", "pod", { "a.yaml": "image: x\nenv: [" }, /a\.yaml: line 2, column 7: /],
    ["a name twice", "pod", { "a.yaml": "image: x\nimage: y\n" }, /a\.yaml: line 2, column 1: Map keys must be unique/],
    ["two documents", "pod", { "a.yaml": "image: x\n---\nimage: y\n" }, /a\.yaml: line 2, .*multiple documents/],
    ["nothing", "pod", { "a.yaml": "" }, "a.yaml: the template must be an object; null was given"],
    [
      "an unknown field",
      "pod",
      { "a.yaml": "imagee: x\n" },
      /a\.yaml: unknown field "imagee"; known are template, image/,
    ],
    [
      "a wrong type",
      "pod",
      { "a.yml": "image: x\nport: many\n" },
      'a.yml: port must be a whole number; "many" was given',
    ],
    [
      "no image",
      "pod",
      { "a.yaml": "port: 1\n" },
      "a.yaml: image is missing, of the template or of its first container",
    ],
    [
      "a name of ours",
      "pod",
      { "a.yaml": "image: x\nenv: { SPAWNER_KEY: x }\n" },
      /must not have the name "SPAWNER_KEY"/,
    ],
    [
      "one in a container",
      "pod",
      { "a.yaml": "template: { containers: [{ image: x, env: [{ name: SPAWNER_KEY }] }] }" },
      "a.yaml: template.containers[0].env: SPAWNER_KEY is set by Spawner itself and cannot be given",
    ],
    ["no containers", "pod", { "a.yaml": "template: {}\n" }, "a.yaml: template.containers is missing"],
    ["a command for a Pod", "pod", { "a.yaml": "command: [x]\n" }, /unknown field "command"/],
    ["an image for a command", "command", { "a.yaml": "command: [x]\nimage: y\n" }, /unknown field "image"/],
    [
      "a star that is not at the end of a name",
      "pod",
      { "a.yaml": 'image: x\ncallerEnv: ["A*B"]\n' },
      'a.yaml: callerEnv[0] must be the name of a variable, or the beginning of one with a "*" at its end; "A*B" was given',
    ],
    ["no command", "command", { "a.yaml": "env: {}\n" }, "a.yaml: command is missing"],
    [
      "one name twice",
      "pod",
      { "a.json": "{image: x}", "a.yaml": "image: y" },
      "a.yaml: a.json is the template of this name",
    ],
    ["a name that is none", "pod", { "a b.yaml": "image: x" }, "a b.yaml: its name is none for a template"],
    [
      "each of several",
      "pod",
      { "a.yaml": "", "b.yaml": "[]" },
      /a\.yaml: the template .*; b\.yaml: the template must/,
    ],
  ];
  test.each(cases)("%s", async (_, kind, files, message) => {
    const folder = temporaryFolder(files);
    const refused = await open(folder, kind).catch((error: Error) => error);
    expect(refused).toMatchObject({ code: "invalid_request" });
    expect(String(refused)).toContain(`The templates in ${JSON.stringify(folder)} cannot be used: `);
    expect(String(refused)).toEqual(
      message instanceof RegExp ? expect.stringMatching(message) : expect.stringContaining(message),
    );
  });

  test("a value that may be secret is not shown", async () => {
    const folder = temporaryFolder({ "a.yaml": "image: x\nenv: { PASSWORD: [hunter2] }\n" });
    await expect(open(folder)).rejects.toThrow(/env\.PASSWORD must be a string; an array was given/);
  });

  test("a folder that is none", async () => {
    await expect(open("/no/such/folder")).rejects.toThrow(
      /The templates in "\/no\/such\/folder" cannot be used: ENOENT/,
    );
  });
});

describe("a folder that changes is read again within a second:", () => {
  test("files that are written, added and removed", async () => {
    const folder = temporaryFolder({ "a.yaml": "image: a:1", "b.yaml": "image: b:1" });
    const { imageOf, imagesLater } = await open(folder);
    write(folder, { "a.yaml": "image: a:22", "c.yaml": "image: c:1" });
    rmSync(join(folder, "b.yaml"));
    expect(imageOf("a")).toBe("a:1");
    expect(imagesLater()).toEqual({ a: "a:22", c: "c:1" });
  });

  test("a mounted ConfigMap, whose files are links into a folder that is replaced", async () => {
    const folder = temporaryFolder();
    const publish = (version: string, files: Files) => {
      write(join(folder, version), files);
      symlinkSync(version, join(folder, "..data_tmp"));
      renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
      const names = readdirSync(folder).filter((name) => !name.startsWith(".."));
      for (const name of Object.keys(files)) {
        if (!names.includes(name)) symlinkSync(join("..data", name), join(folder, name));
      }
      for (const name of names) if (!(name in files)) rmSync(join(folder, name));
    };
    publish("..2026_01", { "a.yaml": "image: a:1", "b.yaml": "image: b:1" });
    const { imagesLater, errors } = await open(folder);
    expect(imagesLater()).toEqual({ a: "a:1", b: "b:1" });
    publish("..2026_02", { "a.yaml": "image: a:2", "c.yaml": "image: c:1" });
    rmSync(join(folder, "..2026_01"), { recursive: true });
    expect(imagesLater()).toEqual({ a: "a:2", c: "c:1" });
    expect(errors).toEqual([]);
  });

  test("one that has become unusable stays as it was, which is said once; the others go on", async () => {
    const folder = temporaryFolder({ "a.yaml": "image: a:1", "b.yaml": "image: b:1" });
    const { imagesLater, errors } = await open(folder);
    write(folder, { "a.yaml": "image: [", "b.yaml": "image: b:22", "new.yaml": "imagee: x" });
    expect(imagesLater()).toEqual({ a: "a:1", b: "b:22" });
    expect(imagesLater()).toEqual({ a: "a:1", b: "b:22" });
    expect(errors).toEqual([
      {
        templates: folder,
        problems: [
          expect.stringMatching(/^a\.yaml: line 1, column /),
          expect.stringMatching(/^new\.yaml: unknown field/),
        ],
      },
    ]);
    write(folder, { "a.yaml": "image: a:333" });
    expect(imagesLater()).toEqual({ a: "a:333", b: "b:22" });
    expect(errors).toHaveLength(1);
  });

  test("a link to nothing is a template that stays as it was", async () => {
    const folder = temporaryFolder({ "a.yaml": "image: a:1" });
    const { imagesLater, errors } = await open(folder);
    rmSync(join(folder, "a.yaml"));
    symlinkSync("nothing", join(folder, "a.yaml"));
    expect([imagesLater(), imagesLater()]).toEqual([{ a: "a:1" }, { a: "a:1" }]);
    expect(errors).toHaveLength(1);
  });

  test("the folder itself goes away, and comes back", async () => {
    const folder = temporaryFolder({ "a.yaml": "image: a:1" });
    const { imagesLater, errors } = await open(folder);
    renameSync(folder, `${folder}-away`);
    expect([imagesLater(), imagesLater()]).toEqual([{ a: "a:1" }, { a: "a:1" }]);
    expect(errors).toEqual([{ templates: folder, err: expect.objectContaining({ code: "ENOENT" }) }]);
    renameSync(`${folder}-away`, folder);
    write(folder, { "a.yaml": "image: a:22" });
    expect(imagesLater()).toEqual({ a: "a:22" });
  });
});

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { systemClock as clock } from "../lib/clock.ts";
import { silentLog as log } from "../lib/log.ts";
import { openTemplates } from "./open-templates.ts";

const template = { command: ["node", "server.js"], cwd: "/srv" };

function folderOf(...names: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "spawner-programs-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of names) writeFileSync(join(folder, `${name}.yaml`), `command: [${name}]`);
  return folder;
}

test("a command is the template default, beside those of a folder", async () => {
  const templates = await openTemplates({ template, templatesDir: folderOf("chat") }, { clock, log });
  expect(templates.names()).toEqual(["default", "chat"]);
  expect(templates.find("default")?.spec.template.containers).toEqual([
    { name: "application", image: "default", command: ["node", "server.js"], workingDir: "/srv", env: [] },
  ]);
  expect(templates.find("chat")?.spec.template.containers).toMatchObject([{ image: "chat", command: ["chat"] }]);
  expect(templates.find("other")).toBeUndefined();
});

test("a folder alone will do, and may have a default of its own", async () => {
  const templates = await openTemplates({ templatesDir: folderOf("chat", "default") }, { clock, log });
  expect(templates.names()).toEqual(["chat", "default"]);
});

test.each([
  ["neither", {}, "A command or a folder of templates is needed; neither was given."],
  [
    "two defaults",
    { template, templatesDir: "" },
    /^The command that was given is the template "default", and .* too\.$/,
  ],
])("%s is refused", async (_, programs, message) => {
  const given = "templatesDir" in programs ? { ...programs, templatesDir: folderOf("default") } : programs;
  await expect(openTemplates(given, { clock, log })).rejects.toMatchObject({
    code: "invalid_request",
    message: message instanceof RegExp ? expect.stringMatching(message) : message,
  });
});

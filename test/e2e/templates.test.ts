import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ConnectRequest, SpawnerClient } from "@spawner/client";
import { expect, onTestFinished, test } from "vitest";
import { TemplatesFolder } from "../../packages/server/src/api/index.ts";
import { systemClock } from "../../packages/server/src/lib/clock.ts";
import { silentLog } from "../../packages/server/src/lib/log.ts";
import { runSpawner, temporaryFolder } from "../support/dev.ts";
import { fileBlock, readDocument } from "../support/documents.ts";
import { eventually } from "../support/embedded.ts";
import { startServed } from "../support/served.ts";

const program = fileURLToPath(new URL("../support/program.mjs", import.meta.url));

interface Echo {
  pid: number;
  headers: Record<string, string>;
  env: Record<string, string>;
}

function templatesFolder(words: Readonly<Record<string, string>>) {
  const folder = temporaryFolder();
  const write = (name: string, word: string) => {
    const template = { command: [process.execPath, program], workingDir: "/", env: { WORD: word } };
    writeFileSync(join(folder, `${name}.yaml`), JSON.stringify({ ...template, gracePeriodSeconds: 60 }));
  };
  for (const [name, word] of Object.entries(words)) write(name, word);
  return { folder, write, remove: (name: string) => rmSync(join(folder, `${name}.yaml`)) };
}

/** What a command prints on stdout, which is a line. */
async function print(url: string, ...args: string[]): Promise<string> {
  const { child, output, exited } = runSpawner(args, { SPAWNER_URL: `${url}/api` });
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    printed += text;
  });
  expect(await exited, output.text).toBe(0);
  return printed.trim();
}

const echoOf = async (url: string) => {
  const asked = new URL(url);
  asked.pathname += "echo";
  return (await (await fetch(asked)).json()) as Echo;
};

const connect = (url: string, request: ConnectRequest) =>
  new SpawnerClient({ url: `${url}/api` }).connect({ key: "room", ...request });

test("one server runs several programs, and what runs is not touched by what becomes of its template or command", async () => {
  const { folder, write, remove } = templatesFolder({ chat: "hello", game: "play" });
  const command = [process.execPath, program];
  const served = { stateDir: temporaryFolder(), command, flags: ["--templates", folder] };
  const first = await startServed(served);
  onTestFinished(() => first.close("SIGKILL"));
  onTestFinished(() => first.killSessions());

  const game = await print(first.url, "spawn", "--template", "game", "--env", "LEVEL=3");
  expect((await echoOf(game)).env).toMatchObject({ WORD: "play", LEVEL: "3" });
  const chat = await print(first.url, "connect", "room", "--user", "ada", "--template", "chat");
  const before = await echoOf(chat);
  expect(before).toMatchObject({
    env: { WORD: "hello", SPAWNER_KEY: "room" },
    headers: { "x-spawner-user": "ada" },
  });
  const same = await connect(first.url, { template: "chat" });
  expect(same).toMatchObject({ spawned: false, stale: false });

  const plain = await connect(first.url, { key: "plain" });
  const { pid } = await echoOf(plain.url ?? "");

  write("chat", "bye");
  remove("game");
  const isRead = async () => (await connect(first.url, { template: "chat", onSpecChange: "keep" })).stale;
  await eventually("the edited template is read", isRead);
  await first.close("SIGKILL");
  const second = await startServed({ ...served, command: [...command, "another"] });
  onTestFinished(() => second.close("SIGKILL"));
  const stale = await connect(second.url, { template: "chat", onSpecChange: "keep" });
  expect(stale).toMatchObject({ spawned: false, stale: true, generation: same.generation });
  expect(await echoOf(stale.url ?? "")).toMatchObject({ pid: before.pid, env: { WORD: "hello" } });
  expect(await echoOf(second.url + new URL(game).pathname)).toMatchObject({ env: { WORD: "play" } });

  const old = await connect(second.url, { key: "plain" });
  expect(old).toMatchObject({ spawned: false, stale: true, generation: plain.generation });
  expect((await echoOf(old.url ?? "")).pid).toBe(pid);
  const next = await connect(second.url, { template: "chat", onSpecChange: "now" });
  expect(next).toMatchObject({ spawned: true, stale: false });
  expect((await echoOf(next.url ?? "")).env.WORD).toBe("bye");
});

test("a template that cannot be used keeps the server from starting, by its file and place", async () => {
  const { folder } = templatesFolder({ chat: "hello" });
  writeFileSync(join(folder, "game.yaml"), "command: [node\nenv: {}\n");
  const args = ["serve", "--port", "0", "--allow-anonymous", "--state-dir", temporaryFolder(), "--templates", folder];
  const { output, exited } = runSpawner(args);
  expect(await exited).toBe(2);
  expect(output.text).toMatch(/The templates in ".*" cannot be used: game\.yaml: line 2, column 1: /);
});

test("a command and a template that are both the default are refused", async () => {
  const { folder } = templatesFolder({ default: "hello" });
  const args = ["dev", "--port", "0", "--state-dir", temporaryFolder(), "--templates", folder, "--", "true"];
  const { output, exited } = runSpawner(args);
  expect(await exited).toBe(2);
  expect(output.text).toMatch(
    /The command that was given is the template "default", and .* has one of that name, too\./,
  );
});

test("docs/templates.md has templates for one machine that can be used", async () => {
  const folder = temporaryFolder();
  const document = readDocument("docs/templates.md");
  for (const file of ["editor.yaml", "report.yaml"]) {
    writeFileSync(join(folder, file), fileBlock(document, `templates/${file}`));
  }
  const templates = await TemplatesFolder.open(folder, { kind: "command", clock: systemClock, log: silentLog });
  expect(templates.find("editor")?.spec).toMatchObject({
    gracePeriodSeconds: 60,
    template: { containers: [{ command: ["node", "editor.mjs"], workingDir: "/srv/editor" }] },
  });
  expect(templates.find("report")?.callerEnv).toEqual(["THEME", "REPORT_*"]);
});

test("dev with several templates and no default says at / and when it starts that one has to be named", async () => {
  const { folder } = templatesFolder({ chat: "hello", game: "play" });
  const { output } = runSpawner(["dev", "--port", "0", "--state-dir", temporaryFolder(), "--templates", folder]);
  const [, url] = await output.waitFor(/(http:\/\/\S+)\/ +tells which templates there are\n/);
  expect(output.text).toMatch(/api\/spawn +starts one: curl .* -d '\{"template": "NAME"\}'\n/);
  const answer = await fetch(`${url}/`, { headers: { accept: "text/html" } });
  expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('known are "chat", "game".')]);
});

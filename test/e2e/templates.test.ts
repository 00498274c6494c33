import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ConnectResponse } from "@spawner/client";
import { expect, onTestFinished, test } from "vitest";
import { runSpawner, temporaryFolder } from "../support/dev.ts";
import { eventually } from "../support/embedded.ts";

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

/** `spawner serve` over these templates alone. What it runs is ended with the test. */
async function startServe(stateDir: string, templates: string) {
  const args = ["--port", "0", "--state-dir", stateDir, "--templates", templates];
  const spawner = runSpawner(["serve", "--allow-anonymous", ...args]);
  onTestFinished(async () => {
    spawner.child.kill("SIGKILL");
    await spawner.exited;
  });
  const [, url = ""] = await spawner.output.waitFor(/"url":"([^"]+)".*"serving"/);
  return { ...spawner, url };
}

function stateFolder(): string {
  const stateDir = temporaryFolder();
  onTestFinished(async () => {
    const { child, output, exited } = runSpawner(["dev", "--port", "0", "--state-dir", stateDir, "--", "true"]);
    await output.waitFor(/Ctrl-C/);
    child.kill("SIGINT");
    await exited;
  });
  return stateDir;
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

const connect = async (url: string, key: string, ...args: string[]) =>
  JSON.parse(await print(url, "connect", key, "--json", ...args)) as ConnectResponse;

test("one server runs several programs, and what runs is not touched by what becomes of its template", async () => {
  const stateDir = stateFolder();
  const { folder, write, remove } = templatesFolder({ chat: "hello", game: "play" });
  const first = await startServe(stateDir, folder);

  const game = await print(first.url, "spawn", "--template", "game", "--env", "LEVEL=3");
  expect((await echoOf(game)).env).toMatchObject({ WORD: "play", LEVEL: "3", PWD: expect.any(String) });
  const chat = await print(first.url, "connect", "room", "--user", "ada", "--template", "chat");
  const before = await echoOf(chat);
  expect(before).toMatchObject({
    env: { WORD: "hello", SPAWNER_KEY: "room" },
    headers: { "x-spawner-user": "ada" },
  });
  const same = await connect(first.url, "room", "--template", "chat");
  expect(same).toMatchObject({ spawned: false, stale: false });

  write("chat", "bye");
  remove("game");
  await eventually("the edited template is read", async () => {
    const { stale } = await connect(first.url, "room", "--template", "chat", "--on-spec-change", "keep");
    return stale;
  });
  first.child.kill("SIGKILL");
  await first.exited;
  const second = await startServe(stateDir, folder);
  const stale = await connect(second.url, "room", "--template", "chat", "--on-spec-change", "keep");
  expect(stale).toMatchObject({ spawned: false, stale: true, generation: same.generation });
  expect(await echoOf(stale.url ?? "")).toMatchObject({ pid: before.pid, env: { WORD: "hello" } });
  expect(await echoOf(second.url + new URL(game).pathname)).toMatchObject({ env: { WORD: "play" } });

  // The only one that is left is the one that nobody has to name.
  const next = await connect(second.url, "room", "--on-spec-change", "now");
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

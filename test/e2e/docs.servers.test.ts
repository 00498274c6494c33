import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BackendView, SpawnRequest } from "@spawner/client";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { startDev, temporaryFolder } from "../support/dev.ts";
import { codeBlocks, fileBlock, readDocument } from "../support/documents.ts";
import { eventually } from "../support/embedded.ts";
import { spawnSession } from "../support/spawn-session.ts";

const documentPath = "docs/bring-your-own-server.md";
const document = readDocument(documentPath);
const modules = fileURLToPath(new URL("../../node_modules", import.meta.url));

/** Whether this machine has a program, in a version that the document asks for; says so where it has not. */
function hasProgram(name: string, args: readonly string[], needed: { major: number; minor: number }): boolean {
  const said = spawnSync(name, args, { encoding: "utf8" }).stdout ?? "";
  const [major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(said) ?? []).slice(1).map(Number);
  const isThere = major > needed.major || (major === needed.major && minor >= needed.minor);
  if (!isThere)
    console.log(`Skipped: the ${name} server of ${documentPath}. It needs ${name} ${Object.values(needed).join(".")}.`);
  return isThere;
}

/** A folder with a file of the document. */
function folderWith(file: string): string {
  const folder = temporaryFolder();
  writeFileSync(join(folder, file), fileBlock(document, file));
  return folder;
}

/** What the document runs by `npx spawner dev --`, with `program` in it, as a shell in that folder takes it. */
function documentedCommand(program: string, folder: string): string[] {
  const lines = codeBlocks(document).flatMap(({ language, text }) => (language === "console" ? text.split("\n") : []));
  const [, command] =
    lines.map((line) => /^npx spawner dev -- (.*)$/.exec(line) ?? []).find(([line]) => line?.includes(program)) ?? [];
  if (command === undefined) throw new Error(`${documentPath} does not say how to run ${program}`);
  return ["sh", "-c", `cd '${folder}' && exec ${command}`];
}

async function start(program: string, folder: string) {
  const { url } = await startDev(documentedCommand(program, folder));
  const call = async <Answer>(path: string, init?: RequestInit) =>
    (await (await fetch(`${url}/api${path}`, init)).json()) as Answer;
  return {
    spawn: (request?: SpawnRequest) => spawnSession(url, request),
    view: (id: string) => call<BackendView>(`/backend/${id}`),
    async stop(id: string) {
      await call(`/backend/${id}`, { method: "DELETE" });
      await eventually("it has ended", async () => (await call<BackendView>(`/backend/${id}`)).state === "Swept");
    },
    async logs(id: string) {
      return (await fetch(`${url}/api/backend/${id}/logs`)).text();
    },
  };
}

async function textOf(url: string | URL, init?: RequestInit): Promise<string> {
  const response = await fetch(url, init);
  expect(response.status).toBe(200);
  return response.text();
}

/** A link as the page has it, where it leads. */
function linkIn(page: string, pattern: RegExp, base: string): URL {
  const [, link] = pattern.exec(page) ?? [];
  if (link === undefined) throw new Error(`${pattern} is not in ${page}`);
  return new URL(link, base);
}

test("Node: a chat over WebSockets, alone with its session", async () => {
  const folder = folderWith("chat.mjs");
  symlinkSync(modules, join(folder, "node_modules"));
  const { spawn, stop, logs } = await start("chat.mjs", folder);
  const [session, other] = [await spawn(), await spawn()];
  const page = await textOf(session.url);
  const socketUrl = (base: string) => linkIn(page, /new URL\("(\w+)", location\)/, base).href.replace("http", "ws");
  const open = async (base: string) => {
    const socket = new WebSocket(socketUrl(base));
    onTestFinished(() => socket.terminate());
    const heard: string[] = [];
    socket.on("message", (data) => heard.push(String(data)));
    await once(socket, "open");
    return { socket, heard };
  };
  const first = await open(session.url);
  const elsewhere = await open(other.url);
  first.socket.send("hello");
  await eventually("it is heard", () => first.heard.length === 1);
  const second = await open(session.url);
  await eventually("who comes later hears it too", () => second.heard.length === 1);
  expect([first.heard, second.heard, elsewhere.heard]).toEqual([["hello"], ["hello"], []]);
  expect(await logs(session.name)).toBe("chat is open\n");

  const closed = once(first.socket, "close");
  await stop(session.name);
  const [code, reason] = await closed;
  expect([code, String(reason)]).toEqual([1001, "the session is over"]);
});

test("Node: a job that is done to its end, though nobody is there", async () => {
  const { spawn, view } = await start("job.mjs", folderWith("job.mjs"));
  const { name, url } = await spawn({ gracePeriodSeconds: 1 });
  expect(await textOf(url)).toBe("0 steps done");
  const begunAt = Date.now();
  await textOf(`${url}?steps=20`, { method: "POST" }); // each takes a tenth of a second
  await eventually("it is over", async () => (await view(name)).state === "Swept", 20_000);
  const { reason, time } = await view(name);
  expect(reason).toBe("Idle");
  expect(Date.parse(time) - begunAt).toBeGreaterThan(2_900);
});

const hasPython = hasProgram("python3", ["--version"], { major: 3, minor: 7 });

test.skipIf(!hasPython)("Python: notes that survive their session", async () => {
  const folder = folderWith("notes.py");
  const { spawn, stop, logs } = await start("notes.py", folder);
  const env = { DOCUMENT: "budget" };
  const first = await spawn({ env });
  const action = linkIn(await textOf(first.url), /action="(\w+)"/, first.url);
  const after = await textOf(action, { method: "POST", body: new URLSearchParams({ note: "a < b" }) });
  expect(after).toContain("<li>a &lt; b</li>");
  expect(await logs(first.name)).toContain("keeping notes in notes/budget\n");
  await stop(first.name);
  expect((await fetch(first.url)).status).toBe(410);

  expect(await textOf((await spawn({ env })).url)).toContain("<li>a &lt; b</li>");
  expect(await textOf((await spawn()).url)).toContain("<ul></ul>");
});

test.skipIf(!hasPython)("a server that takes its port as an argument", async () => {
  const { spawn } = await start("http.server", folderWith("notes.py"));
  const { url } = await spawn();
  const file = linkIn(await textOf(url), /<a href="(notes\.py)"/, url);
  expect(await textOf(file)).toBe(fileBlock(document, "notes.py"));
});

const hasGo = hasProgram("go", ["version"], { major: 1, minor: 22 });

describe.skipIf(!hasGo)("Go", () => {
  test("a counter that is followed by server-sent events", { timeout: 120_000 }, async () => {
    const folder = folderWith("counter.go");
    const [build] = codeBlocks(document).flatMap(({ text }) => /^go build .*$/m.exec(text) ?? []);
    execFileSync("sh", ["-c", build ?? "exit 1"], { cwd: folder });
    const { spawn } = await start("./counter", folder);
    const { url } = await spawn();
    const page = await textOf(url);
    const response = await fetch(linkIn(page, /EventSource\("(\w+)"\)/, url));
    const events = response.body?.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
    onTestFinished(async () => void (await events?.return?.()));
    expect((await events?.next())?.value).toBe("data: 0\n\n");
    expect(await textOf(linkIn(page, /fetch\('(\w+)'/, url), { method: "POST" })).toBe("1\n");
    expect((await events?.next())?.value).toBe("data: 1\n\n");
  });
});

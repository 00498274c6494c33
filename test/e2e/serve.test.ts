import { writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BackendList, BackendView, SpawnResponse } from "@spawner/client";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { converse } from "../../packages/server/src/api/fixture.ts";
import { isAlive, processesWithEnv } from "../../packages/server/src/lib/linux-processes.ts";
import { runSpawner, temporaryFolder } from "../support/dev.ts";
import { eventually } from "../support/embedded.ts";
import { spawnSession } from "../support/spawn-session.ts";
import { noTerminal, runInTerminal } from "../support/terminal.ts";

const program = fileURLToPath(new URL("../support/program.mjs", import.meta.url));
const command = [process.execPath, program];

interface Startup {
  url: string;
  port: number;
  controlPort?: number;
  stateDir: string;
  adopted: number;
}

interface Echo {
  pid: number;
  env: Record<string, string>;
}

/** All that the tests here start has it in its environment, and is found by it. */
const mark = { name: "SERVE_TEST", value: String(process.pid) };
process.env[mark.name] = mark.value;

/** A folder whose sessions are killed with the test. */
function stateFolder(): string {
  const stateDir = temporaryFolder();
  onTestFinished(() => {
    for (const pid of processesWithEnv(mark.name, mark.value)) process.kill(pid, "SIGKILL");
  });
  return stateDir;
}

function serveArgs(stateDir: string, args: readonly string[] = []): string[] {
  return ["serve", "--port", "0", "--state-dir", stateDir, "--allow-anonymous", ...args, "--", ...command];
}

async function startServe(stateDir: string, args: readonly string[] = []) {
  const spawner = runSpawner(serveArgs(stateDir, args));
  onTestFinished(async () => {
    spawner.child.kill("SIGKILL");
    await spawner.exited;
  });
  const [line] = await spawner.output.waitFor(/^\{.*"serving".*\}$/m);
  return { ...spawner, ...(JSON.parse(line) as Startup) };
}

const ask = async <Answer>(url: string) => (await (await fetch(url)).json()) as Answer;
const echo = (url: string, id: string) => ask<Echo>(`${url}/${id}/echo`);
const view = (url: string, id: string) => ask<BackendView>(`${url}/api/backend/${id}`);

/** A WebSocket that has brought a message there and back. */
async function talk(url: string, id: string): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/${id}/`);
  socket.on("error", () => {}); // the server is killed
  onTestFinished(() => socket.terminate());
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  socket.send(id);
  expect(String(await new Promise((resolve) => socket.once("message", resolve)))).toBe(id);
  return socket;
}

/** All that must be the same after a restart, by id; addresses without their host and port. */
async function sessionsOf(url: string) {
  const { backends } = await ask<BackendList>(`${url}/api/backends`);
  return Object.fromEntries(
    await Promise.all(
      backends.map(async (backend) => {
        const { pid, env } = await echo(url, backend.name);
        const processes = processesWithEnv("SPAWNER_BACKEND", env.SPAWNER_BACKEND ?? "");
        const path = new URL(backend.url ?? "").pathname;
        return [backend.name, { ...backend, url: path, pid, processes, port: env.PORT }] as const;
      }),
    ),
  );
}

describe("a restart", () => {
  test.each([
    ["a kill -9", "SIGKILL", null, 20, "the same port"],
    ["SIGTERM", "SIGTERM", 0, 20, "the same port"],
    ["SIGTERM, to another port,", "SIGTERM", 0, 3, "any"],
  ] as const)("by %s goes on with the sessions in use", async (_, signal, code, count, port) => {
    const stateDir = stateFolder();
    const first = await startServe(stateDir);
    const ids = (await Promise.all(Array.from({ length: count }, () => spawnSession(first.url)))).map(
      ({ name }) => name,
    );
    const sockets = await Promise.all(ids.map((id) => talk(first.url, id)));
    const before = await sessionsOf(first.url);
    expect(Object.keys(before)).toHaveLength(count);
    for (const { pid, processes, state } of Object.values(before)) {
      expect({ processes, state }).toEqual({ processes: [pid], state: "Ready" });
    }

    const cut = Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("close", resolve))));
    first.child.kill(signal);
    expect(await first.exited).toBe(code);
    await cut;

    const second = await startServe(stateDir, port === "any" ? [] : ["--port", String(first.port)]);
    expect(second).toMatchObject({ adopted: count, stateDir, ...(port === "any" ? {} : { url: first.url }) });
    await Promise.all(ids.map((id) => talk(second.url, id)));
    expect(await sessionsOf(second.url)).toEqual(before);
  });

  test("gives sessions that were left meanwhile one grace period, and then ends them", async () => {
    const stateDir = stateFolder();
    const first = await startServe(stateDir, ["--grace-period", "2"]);
    const { name: id } = await spawnSession(first.url);
    const { pid } = await echo(first.url, id);
    first.child.kill("SIGKILL");
    await first.exited;
    await new Promise((resolve) => setTimeout(resolve, 2_200)); // longer than the grace period
    const second = await startServe(stateDir);
    const startedAtMs = performance.now();
    expect(await view(second.url, id)).toMatchObject({ state: "Ready" });
    await eventually("it is swept", async () => (await view(second.url, id)).state === "Swept");
    expect(performance.now() - startedAtMs).toBeGreaterThan(1_500);
    expect(performance.now() - startedAtMs).toBeLessThan(3_500);
    expect(await view(second.url, id)).toMatchObject({ reason: "Idle" });
    await eventually("its process is gone", () => !isAlive(pid));
  });

  test("is never told to clients as anything but that nobody is there", async () => {
    const stateDir = stateFolder();
    const first = await startServe(stateDir);
    const { name: id } = await spawnSession(first.url);
    const { pid } = await echo(first.url, id);
    first.child.kill("SIGTERM");
    await first.exited;
    const paths = ["/api/backends", `/api/backend/${id}/status`, `/${id}/echo`];
    const impatient = paths.map(async (path) => {
      for (;;) {
        const answer = await fetch(`${first.url}${path}`).catch(() => undefined);
        if (answer !== undefined) return { path, status: answer.status };
      }
    });
    await startServe(stateDir, ["--port", String(first.port)]);
    expect(await Promise.all(impatient)).toEqual(paths.map((path) => ({ path, status: 200 })));
    expect(await echo(first.url, id)).toMatchObject({ pid });
  });

  test("reports a program that ended meanwhile", async () => {
    const stateDir = stateFolder();
    const first = await startServe(stateDir);
    const { name: id } = await spawnSession(first.url);
    const { pid } = await echo(first.url, id);
    first.child.kill("SIGTERM");
    expect(await first.exited).toBe(0);
    process.kill(pid, "SIGKILL");
    const second = await startServe(stateDir);
    expect(second.adopted).toBe(0);
    await eventually("it has failed", async () => (await view(second.url, id)).state === "Failed");
    const { reason, message } = await view(second.url, id);
    expect({ reason, message }).toEqual({
      reason: "Crashed",
      message: expect.stringContaining("ended while Spawner was not running"),
    });
    const answer = await fetch(`${second.url}/${id}/echo`);
    expect(answer.status).toBe(410);
    expect(await answer.json()).toMatchObject({ code: "backend_ended", message: expect.stringContaining("Crashed") });
  });
});

describe("SIGTERM", () => {
  const startDownload = async (kilobytes: number) => {
    const server = await startServe(stateFolder());
    const { name: id } = await spawnSession(server.url);
    const response = await fetch(`${server.url}/${id}/download?kilobytes=${kilobytes}`); // ten a second
    server.child.kill("SIGTERM");
    await server.output.waitFor(/sessions go on/);
    return { ...server, id, response };
  };

  test("lets an answer that is on its way come to its end, and lets nobody in meanwhile", async () => {
    const { url, id, response, exited } = await startDownload(8);
    await expect(fetch(`${url}/${id}/echo`)).rejects.toThrow("fetch failed");
    expect((await response.arrayBuffer()).byteLength).toBe(8 * 1024);
    expect(await exited).toBe(0);
  });

  test.each([
    ["the gateway", [], "/api/spawn"],
    ["the port of the API", ["--control-port", "0"], "/spawn"],
  ])("lets a request at %s that has begun be answered", async (_, flags, path) => {
    const { child, output, exited, port, controlPort = port } = await startServe(stateFolder(), flags);
    const { write, until, closed } = converse(controlPort);
    write(`POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 2\r\n`);
    write("expect: 100-continue\r\n\r\n");
    await until(/^HTTP\/1.1 100/);
    child.kill("SIGTERM");
    await output.waitFor(/sessions go on/);
    write("{}");
    expect(await closed).toMatch(/HTTP\/1.1 200 OK[\s\S]*connection: close[\s\S]*"name"/i);
    expect(await exited).toBe(0);
  });

  test("waits two seconds at most for answers, and not at all when it comes again", async () => {
    const patient = await startDownload(600);
    const sentAtMs = performance.now();
    expect(await patient.exited).toBe(0);
    expect(performance.now() - sentAtMs).toBeGreaterThan(1_500);
    await expect(patient.response.arrayBuffer()).rejects.toThrow();

    const hurried = await startDownload(600);
    hurried.child.kill("SIGTERM");
    const hurriedAtMs = performance.now();
    expect(await hurried.exited).toBe(0);
    expect(performance.now() - hurriedAtMs).toBeLessThan(1_200);
  });
});

test.each([
  [
    "Ctrl-C, which tells the whole process group,",
    (child: { stdin: NodeJS.WritableStream }) => child.stdin.write("\x03"),
  ],
  ["the end of its terminal", (child: { kill(signal: "SIGKILL"): unknown }) => child.kill("SIGKILL")],
] as const)("%s ends the server and no session", { skip: noTerminal !== undefined }, async (_, act) => {
  const stateDir = stateFolder();
  const { child, output, exited } = runInTerminal(serveArgs(stateDir));
  const [line] = await output.waitFor(/\{.*"serving".*\}/);
  const { url, pid: serverPid } = JSON.parse(line) as Startup & { pid: number };
  onTestFinished(() => void (isAlive(serverPid) && process.kill(serverPid, "SIGKILL")));
  const { name: id } = await spawnSession(url);
  const { pid } = await echo(url, id);
  act(child);
  await exited;
  await eventually("the server has ended", () => !isAlive(serverPid));
  expect(isAlive(pid)).toBe(true);
  const second = await startServe(stateDir);
  expect(await echo(second.url, id)).toMatchObject({ pid });
});

/** fetch does not let one name another host. */
function statusFor(url: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { headers: { host }, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.on("error", reject).end();
  });
}

describe("--public-url", () => {
  test("is in every address that is given out, and its host is served", async () => {
    const server = await startServe(stateFolder(), ["--public-url", "https://play.example.com/"]);
    expect(server.url).toBe("https://play.example.com");
    const local = `http://127.0.0.1:${server.port}`;
    const { name: id, ...urls } = await spawnSession(local);
    expect(urls).toEqual({
      url: `https://play.example.com/${id}/`,
      readyUrl: `https://play.example.com/api/backend/${id}/ready`,
      statusUrl: `https://play.example.com/api/backend/${id}/status`,
    });
    const { headers } = await ask<{ headers: Record<string, string> }>(`${local}/${id}/echo`);
    expect(headers).toMatchObject({ "x-forwarded-proto": "https" });
    expect((await view(local, id)).url).toBe(`https://play.example.com/${id}/`);
    for (const host of ["play.example.com", "PLAY.example.com:443", "localhost:1", "127.0.0.1"]) {
      expect(await statusFor(`${local}/${id}/echo`, host)).toBe(200);
    }
    expect(await statusFor(`${local}/${id}/echo`, "evil.example.com")).toBe(403);
    expect(await statusFor(`${local}/api/backends`, "evil.example.com")).toBe(403);
  });

  test("leaves it to --allowed-hosts which hosts are served", async () => {
    const server = await startServe(stateFolder(), ["--allowed-hosts", "10.0.0.5, Inner.example.com"]);
    expect(await statusFor(`${server.url}/healthz`, "inner.example.com")).toBe(200);
    expect(await statusFor(`${server.url}/healthz`, "10.0.0.5:80")).toBe(200);
    expect(await statusFor(`${server.url}/healthz`, "127.0.0.1")).toBe(403);
  });
});

describe("tokens", () => {
  test("are asked for by the API, and not by sessions", async () => {
    const tokens = join(temporaryFolder(), "tokens");
    const token = "a-token-of-enough-length";
    writeFileSync(tokens, `# who\n${token}\n`, { mode: 0o600 });
    const stateDir = stateFolder();
    const { output, child, exited } = runSpawner([
      ...["serve", "--port", "0", "--state-dir", stateDir, "--tokens-file", tokens, "--", ...command],
    ]);
    onTestFinished(async () => {
      child.kill("SIGKILL");
      await exited;
    });
    const [line] = await output.waitFor(/^\{.*"serving".*\}$/m);
    const { url } = JSON.parse(line) as Startup;
    const spawn = (headers: Record<string, string>) =>
      fetch(`${url}/api/spawn`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: "{}",
      });
    expect((await spawn({})).status).toBe(401);
    const spawned = await spawn({ authorization: `Bearer ${token}` });
    expect(spawned.status).toBe(200);
    const { name: id } = (await spawned.json()) as SpawnResponse;
    expect(await echo(url, id)).toMatchObject({ pid: expect.any(Number) });
    expect(output.text).not.toContain(token);
  });

  const refused: [string, string[], Record<string, string>, RegExp][] = [
    ["neither", [], {}, /--tokens-file FILE.*--allow-anonymous/],
    ["a variable that says no", [], { SPAWNER_ALLOW_ANONYMOUS: "false" }, /--tokens-file FILE.*--allow-anonymous/],
    ["both", ["--tokens-file", "t", "--allow-anonymous"], {}, /--tokens-file.*cannot be used.*--allow-anonymous/],
    ["a file that is not there", ["--tokens-file", "/no/such/file"], {}, /\/no\/such\/file/],
  ];
  test.each(refused)("a start with %s is refused", async (_, flags, env, message) => {
    const { output, exited } = runSpawner(["serve", "--port", "0", ...flags, "--", ...command], {
      SPAWNER_STATE_DIR: temporaryFolder(),
      ...env,
    });
    expect(await exited).not.toBe(0);
    expect(output.text).toMatch(message);
  });
});

test.each([
  [["--public-url", "play.example.com"], /--public-url.*URL without a path is needed/],
  [["--public-url", "https://a.example/games"], /--public-url.*URL without a path is needed/],
  [["--public-url", "ftp://a.example"], /--public-url.*URL without a path is needed/],
  [["--allowed-hosts", "a.example,,"], /--allowed-hosts.*Host names/],
  [["--host", "0.0.0.0"], /--public-url http:\/\/NAME:0/],
  [["--host", "203.0.113.7"], /203\.0\.113\.7 is no address of this machine/],
  [["--engine", "docker"], /Allowed choices are process/],
])("flags that make no sense are refused with what is needed: %j", async (flags, message) => {
  const { output, exited } = runSpawner([...serveArgs(temporaryFolder(), flags)]);
  expect(await exited).not.toBe(0);
  expect(output.text).toMatch(message);
});

describe("the state folder", () => {
  test.each([
    ["systemd's, where it gives one", { STATE_DIRECTORY: "first:second" }, "first"],
    ["the user's elsewhere, whatever the port", { XDG_STATE_HOME: "home" }, "home/spawner/serve"],
  ])("is %s", async (_, given, expected) => {
    const folder = temporaryFolder();
    const inFolder = (list: string) =>
      list
        .split(":")
        .map((name) => join(folder, name))
        .join(":");
    const env = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, inFolder(value)]));
    const { child, output, exited } = runSpawner(["serve", "--port", "0", "--allow-anonymous", "--", ...command], {
      STATE_DIRECTORY: "",
      ...env,
    });
    const [line] = await output.waitFor(/^\{.*"serving".*\}$/m);
    expect((JSON.parse(line) as Startup).stateDir).toBe(join(folder, expected));
    child.kill("SIGTERM");
    expect(await exited).toBe(0);
  });
});

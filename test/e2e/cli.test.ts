import { execFile } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { BackendChange, BackendView, ConnectResponse, SpawnResponse, StatusMessage } from "@spawner/client";
import { describe, expect, onTestFinished, test } from "vitest";
import { identifyProcess } from "../../packages/server/src/lib/linux-processes.ts";
import { runSpawner, spawnerCommand, startDev, temporaryFolder } from "../support/dev.ts";
import { startEmbedded } from "../support/embedded.ts";

const listener = [process.execPath, fileURLToPath(new URL("../support/program.mjs", import.meta.url))];
/** Writes to both outputs, listens, and goes on with a line each time that it is asked. */
const talker = `
  console.log("to stdout: ä 😀");
  console.error("to stderr");
  if (process.env.EXIT) process.exit(Number(process.env.EXIT));
  let asked = 0;
  require("node:http").createServer((request, response) => {
    console.log("asked " + ++asked);
    response.end(process.env.WORD ?? "");
  }).listen(Number(process.env.PORT), "127.0.0.1");
`;

/** A Spawner in this process, and the commands that speak to it, each a process. */
async function startSpawner(script?: string, overrides: Parameters<typeof startEmbedded>[0] = {}) {
  const template = { command: script === undefined ? listener : [process.execPath, "-e", script], cwd: "/" };
  const { url } = await startEmbedded({ template, gracePeriodSeconds: 60, ...overrides });
  const spawner = (...args: string[]) => runCommand(args, { SPAWNER_URL: `${url}/api` });
  return { url, spawner, run: (...args: string[]) => spawner(...args).ended };
}

/** `spawner ARGS`, with what it has written to which output when it has ended. */
function runCommand(args: string[], env: Record<string, string> = {}) {
  const process = runSpawner(args, env);
  const written = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    process.child[name].setEncoding("utf8").on("data", (text) => {
      written[name] += text;
    });
  }
  const ended = once(process.child, "close").then(([code]) => ({ code: code as number | null, ...written }));
  return { ...process, ended };
}

/** Starts a backend; gives its id. */
async function spawnOne(run: (...args: string[]) => Promise<{ stdout: string }>, ...args: string[]): Promise<string> {
  const { stdout } = await run("spawn", "--json", ...args);
  return (JSON.parse(stdout) as SpawnResponse).name;
}

function documents<Document>(lines: string): Document[] {
  return lines
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Document);
}

describe("spawn", () => {
  test("prints the URL at which the backend answers; what was given reaches the program", async () => {
    const { run } = await startSpawner();
    const { code, stdout } = await run("spawn", "--env", "A=1=2", "--env", "B=", "--grace-period", "77", "--wait");
    expect(code).toBe(0);
    const { env } = (await (await fetch(`${stdout.trim()}echo`)).json()) as { env: Record<string, string> };
    expect(env).toMatchObject({ A: "1=2", B: "" });
    const { stdout: list } = await run("ls", "--json");
    expect(JSON.parse(list)).toMatchObject({ state: "Ready", gracePeriodSeconds: 77 });
  });

  test("with --wait exits with 4, and says why, when it ends before it is ready", async () => {
    const { run } = await startSpawner(talker);
    const { code, stdout, stderr } = await run("spawn", "--wait", "--env", "EXIT=3");
    expect(code).toBe(4);
    expect(stdout).toMatch(/^http:.*\n$/);
    expect(stderr).toMatch(/^spawner: Backend "\w+" ended before it was ready \(Crashed\): .*code 3.*to stderr\n$/);
  });

  test("says what the server refuses", async () => {
    const { run } = await startSpawner();
    const { code, stderr } = await run("spawn", "--image", "nonsense");
    expect(code).toBe(2);
    expect(stderr).toMatch(/^spawner: .*nonsense.*\n$/);
  });
});

test("connect --wait waits for the one backend of a key, and says what POST /connect answers", async () => {
  const { run } = await startSpawner();
  const connected = await run("connect", "doc", "--user", "ada", "--json", "--wait", "--token-ttl", "60");
  expect(connected.code).toBe(0);
  const { backend, generation } = JSON.parse(connected.stdout) as ConnectResponse;
  const { stdout } = await run("status", backend);
  expect(stdout).toMatch(/STATE +Ready/);
  expect(stdout).toMatch(/^KEY +doc\nUSER +ada$/m);
  expect((await run("ls")).stdout).toMatch(/ KEY\n.* doc\n$/);
  const again = await run("connect", "doc", "--env", "A=1", "--on-spec-change", "keep", "--json");
  expect(JSON.parse(again.stdout)).toMatchObject({ generation, spawned: false, stale: true });
});

test("connect --auth gives the program what it is told of the user", async () => {
  const { run } = await startSpawner();
  const auth = { role: "reader" };
  const { stdout } = await run("connect", "--user", "ada", "--auth", JSON.stringify(auth));
  const url = new URL(stdout.trim());
  const authorization = `Bearer ${url.searchParams.get("_spawner_token")}`;
  const answer = await fetch(new URL("echo", url), { headers: { authorization } });
  const { headers } = (await answer.json()) as { headers: Record<string, string> };
  expect(headers["x-spawner-user"]).toBe("ada");
  expect(JSON.parse(Buffer.from(headers["x-spawner-auth"] ?? "", "base64url").toString())).toEqual(auth);
});

describe("ls", () => {
  test("shows each backend in a line, with its reason when it is over", async () => {
    const { run, url } = await startSpawner(talker);
    const alive = await spawnOne(run, "--wait");
    const failed = await spawnOne(run, "--env", "EXIT=3", "--wait");
    const { code, stdout } = await run("ls");
    const [header, ...lines] = stdout.trimEnd().split("\n");
    expect(code).toBe(0);
    expect(header).toMatch(/^ID +STATE +REASON +AGE +URL$/);
    expect(lines).toHaveLength(2);
    expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^${alive} +Ready +- +\\d+s +${url}/${alive}/$`)));
    expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^${failed} +Failed +Crashed +\\d+s +${url}`)));
  });

  test("with --json gives each as a document in its line", async () => {
    const { run } = await startSpawner();
    const ids = [await spawnOne(run), await spawnOne(run), await spawnOne(run)];
    const { stdout } = await run("ls", "--json");
    expect(documents<BackendView>(stdout).map(({ name }) => name)).toEqual(ids.sort());
  });

  test("says so where there is none, and to programs nothing", async () => {
    const { run } = await startSpawner();
    expect(await run("ls")).toMatchObject({ code: 0, stdout: "", stderr: "There are no backends.\n" });
    expect(await run("ls", "--json")).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect(await run("ls", "--label", "no=such")).toMatchObject({ code: 0, stdout: "" });
    expect(await run("ls", "--label", "no", "--label", "!such")).toMatchObject({ code: 0, stdout: "" });
    expect(await run("ls", "--label", "no such")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("selector"),
    });
  });

  test("with --watch goes on with each change, until it is interrupted", async () => {
    const { run, spawner } = await startSpawner();
    const first = await spawnOne(run, "--wait");
    const watching = [spawner("ls", "--watch"), spawner("ls", "-w", "--json")] as const;
    await Promise.all(watching.map(({ output }) => output.waitFor(new RegExp(`${first}.*Ready|synced`))));
    const second = await spawnOne(run, "--wait");
    await run("stop", first);
    await Promise.all(watching.map(({ output }) => output.waitFor(new RegExp(`${first}.*Swept`))));
    for (const { child } of watching) child.kill("SIGINT");
    const [people, programs] = await Promise.all(watching.map(({ ended }) => ended));
    expect(people?.stdout).toMatch(/^ID +STATE/);
    expect(people?.stdout).toMatch(new RegExp(`Z {2}added {4}${second} {2}Submitted\n`));
    expect(people?.stdout).toMatch(new RegExp(`Z {2}changed {2}${first} {2}Swept {2}Requested: `));
    const changes = documents<BackendChange>(programs?.stdout ?? "");
    expect(changes.slice(0, 2)).toMatchObject([{ type: "added", backend: { name: first } }, { type: "synced" }]);
  });
});

describe("status", () => {
  test("tells what is known, and as JSON what the API gives", async () => {
    const { run } = await startSpawner(talker);
    const id = await spawnOne(run, "--env", "EXIT=3", "--wait");
    const { code, stdout } = await run("status", id);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      new RegExp(`^ID +${id}\nSTATE +Failed\nREASON +Crashed\n.*to stdout: ä 😀\n.*Submitted`, "s"),
    );
    expect(JSON.parse((await run("status", id, "--json")).stdout)).toMatchObject({ name: id, reason: "Crashed" });
  });

  test("with --wait resolves when it is ready, and exits with 4 when it is over", async () => {
    const { run } = await startSpawner();
    const id = await spawnOne(run, "--env", "LISTEN_AFTER_MS=300");
    expect(await run("status", id, "--wait")).toMatchObject({ code: 0, stdout: expect.stringMatching(/STATE +Ready/) });
    await run("stop", id);
    expect(await run("status", id, "--wait")).toMatchObject({ code: 4, stdout: "" });
  });

  test("with --follow prints each state as it comes, and ends after the last", async () => {
    const { run, spawner } = await startSpawner();
    const id = await spawnOne(run);
    const following = [spawner("status", id, "--follow"), spawner("status", id, "-f", "--json")] as const;
    await Promise.all(following.map(({ output }) => output.waitFor(/Ready/)));
    await run("stop", id, "--no-wait");
    const [people, programs] = await Promise.all(following.map(({ ended }) => ended));
    expect(people).toMatchObject({ code: 0, stdout: expect.stringMatching(/Submitted\n.*Swept +Requested: /s) });
    const states = documents<StatusMessage>(programs?.stdout ?? "").map(({ state }) => state);
    expect(states).toEqual(["Submitted", "Constructed", "Scheduled", "Running", "Ready", "Stopping", "Swept"]);
    expect(programs?.code).toBe(0);
  });
});

describe("logs", () => {
  const output = "to stdout: ä 😀\nto stderr\n";

  test("prints what the program wrote, byte for byte, and the last lines of it", async () => {
    const { run } = await startSpawner(talker);
    const id = await spawnOne(run, "--wait");
    expect(await run("logs", id)).toMatchObject({ code: 0, stdout: output, stderr: "" });
    expect(await run("logs", id, "--tail", "1")).toMatchObject({ code: 0, stdout: "to stderr\n" });
    expect(await run("logs", id, "--tail", "0")).toMatchObject({ code: 0, stdout: "" });
  });

  test("is readable after the program's end", async () => {
    const { run } = await startSpawner(talker);
    const id = await spawnOne(run, "--env", "EXIT=0", "--wait");
    expect(await run("logs", id, "-f")).toMatchObject({ code: 0, stdout: output });
  });

  test("with --follow goes on with what is written, until the program is over", async () => {
    const { run, spawner, url } = await startSpawner(talker);
    const id = await spawnOne(run, "--wait");
    const following = spawner("logs", id, "--follow");
    await following.output.waitFor(/stderr/);
    await fetch(`${url}/${id}/`);
    await following.output.waitFor(/asked 1\n/);
    await run("stop", id);
    expect(await following.ended).toMatchObject({ code: 0, stderr: "" });
    expect(following.output.text).toBe(`${output}asked 1\n`);
  });

  test("with --follow ends at Ctrl-C with 130, and nothing to say about it", async () => {
    const { run, spawner } = await startSpawner(talker);
    const following = spawner("logs", await spawnOne(run, "--wait"), "-f");
    await following.output.waitFor(/stderr/);
    following.child.kill("SIGINT");
    expect(await following.ended).toMatchObject({ code: 130, stderr: "" });
    expect(following.output.text).toBe(output);
  });

  test("a reader that leaves (| head) is no error", async () => {
    const { run, spawner, url } = await startSpawner(talker);
    const id = await spawnOne(run, "--wait");
    const following = spawner("logs", id, "-f");
    await following.output.waitFor(/stderr/);
    following.child.stdout.destroy();
    const asking = setInterval(() => void fetch(`${url}/${id}/`).catch(() => {}), 50);
    onTestFinished(() => clearInterval(asking));
    expect(await following.exited).toBe(0);
    expect(following.output.text).not.toContain("EPIPE");
  });
});

describe("stop", () => {
  test("returns when the backend has ended, and its program is gone", async () => {
    const { run, url } = await startSpawner();
    const id = await spawnOne(run, "--wait");
    const { pid } = (await (await fetch(`${url}/${id}/echo`)).json()) as { pid: number };
    expect(await run("stop", id)).toMatchObject({ code: 0, stdout: `${id} has ended: Requested\n` });
    expect(JSON.parse((await run("status", id, "--json")).stdout)).toMatchObject({ state: "Swept" });
    expect(identifyProcess(pid)).toBeUndefined();
  });

  describe("of a program that takes its time", () => {
    const saver = `
      const server = require("node:http").createServer((request, response) => response.end());
      server.listen(Number(process.env.PORT), "127.0.0.1", () => console.log("pid=" + process.pid));
      process.on("SIGTERM", () => console.log("saving"));
      process.on("SIGUSR2", () => process.exit());
    `;
    async function startSaver() {
      const spawner = await startSpawner(saver);
      const id = await spawnOne(spawner.run, "--wait");
      const pid = Number(/pid=(\d+)/.exec((await spawner.run("logs", id)).stdout)?.[1]);
      return { ...spawner, id, pid };
    }

    test("waits for it, says so after a while, and so do ls and status", async () => {
      const { run, spawner, id, pid } = await startSaver();
      const stopping = spawner("stop", id, "--json");
      await stopping.output.waitFor(new RegExp(`^${id} has ended: Requested\\. Its program takes .* up to 30 s`));
      expect(identifyProcess(pid)).toBeDefined();
      expect((await run("ls")).stdout).toMatch(/Swept, ending +Requested/);
      expect((await run("status", id)).stdout).toMatch(/STATE +Swept, ending\n/);
      const asked = { code: 0, stdout: `${id} has ended: Requested; its program has not gone yet\n` };
      expect(await run("stop", id, "--no-wait")).toMatchObject(asked);
      process.kill(pid, "SIGUSR2");
      const { code, stdout } = await stopping.ended;
      expect({ code, last: JSON.parse(stdout) }).toEqual({
        code: 0,
        last: {
          name: id,
          state: "Swept",
          time: expect.any(String),
          reason: "Requested",
          message: expect.any(String),
        },
      });
      expect(identifyProcess(pid)).toBeUndefined();
      expect((await run("ls")).stdout).not.toContain("ending");
    });

    test("with --grace gives it less, also after it was asked to end", async () => {
      const { run, id, pid } = await startSaver();
      await run("stop", id, "--no-wait");
      expect(await run("stop", id, "--grace", "0")).toMatchObject({
        code: 0,
        stdout: `${id} has ended: Requested\n`,
      });
      expect(identifyProcess(pid)).toBeUndefined();
    });

    test("is given up at Ctrl-C", async () => {
      const { run, spawner, id } = await startSaver();
      const stopping = spawner("stop", id);
      await stopping.output.waitFor(/takes its time/);
      stopping.child.kill("SIGINT");
      expect(await stopping.ended).toMatchObject({ code: 130, stdout: "" });
      await run("stop", id, "--grace", "0");
    });
  });

  test("leaves one that has ended as it is", async () => {
    const { run } = await startSpawner(talker);
    const id = await spawnOne(run, "--env", "EXIT=3", "--wait");
    expect(await run("stop", id)).toMatchObject({ code: 0, stdout: `${id} has ended: Crashed\n` });
    const { stdout } = await run("stop", id, "--json");
    expect(JSON.parse(stdout)).toMatchObject({ name: id, state: "Failed", reason: "Crashed" });
  });

  test("returns as well where no record of it is kept", async () => {
    const { run } = await startSpawner(undefined, { retainSeconds: 0 });
    expect(await run("stop", await spawnOne(run, "--wait"))).toMatchObject({ code: 0 });
  });

  test("with --no-wait returns when it was asked to", async () => {
    const { run } = await startSpawner();
    const id = await spawnOne(run, "--wait");
    expect(await run("stop", id, "--no-wait")).toMatchObject({ code: 0, stdout: `${id} was asked to end\n` });
    expect(await run("status", id, "--wait")).toMatchObject({ code: 4 });
  });
});

test("`spawner dev` is an API that every command can speak to", async () => {
  const { url } = await startDev(listener);
  const run = (...args: string[]) => runCommand(args, { SPAWNER_URL: `${url}/api` }).ended;
  const id = await spawnOne(run, "--wait");
  expect((await run("ls")).stdout).toContain(`${url}/${id}/`);
  expect((await run("status", id)).stdout).toMatch(/STATE +Ready/);
  expect(await run("logs", id)).toMatchObject({ code: 0 });
  expect((await run("stop", id)).stdout).toBe(`${id} has ended: Requested\n`);
});

describe("what goes wrong is one line that says what to do, and an exit code", () => {
  test("3: an unknown id", async () => {
    const { run } = await startSpawner();
    const commands = ["status x", "status x --follow", "status x --wait", "logs x", "logs ../backends", "stop x"];
    for (const command of commands) {
      const { code, stdout, stderr } = await run(...command.split(" "));
      expect({ command, code, stdout }).toEqual({ command, code: 3, stdout: "" });
      expect(stderr).toMatch(/^spawner: There is no backend .*`spawner ls` shows those there are\.\n$/);
    }
  });

  test.each([
    [["ls", "--nonsense"], /unknown option '--nonsense'/],
    [["nonsense"], /unknown command 'nonsense'/],
    [["stop"], /missing required argument 'id'/],
    [[], /Usage: spawner/],
    [["logs", "x", "--tail", "100001"], /whole number from 0 to 100000/],
    [["spawn", "--env", "x"], /name=value is needed/],
    [["connect", "--auth", "ada"], /An object as JSON is needed/],
    [["connect", "--auth", "[1]"], /An object as JSON is needed/],
    [["spawn", "--lifetime", "0"], /whole number from 1 to/],
    [["status", "x", "--follow", "--wait"], /give one of them/],
    [["status", ".."], /cannot be the id/],
    [["ls", "--url", "nonsense"], /URL must be like .*not "nonsense"/],
    [["ls", "--token-file", "/nonsense"], /token file cannot be read: ENOENT.*nonsense/],
  ])("2: wrong usage: %j", async (args, message) => {
    const { code, stdout, stderr } = await runCommand(args).ended;
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  test("5: nobody who listens", async () => {
    const url = "http://127.0.0.1:1/api";
    const { code, stderr } = await runCommand(["ls", "--url", url]).ended;
    expect(code).toBe(5);
    expect(stderr).toMatch(/^spawner: GET http:\/\/127.0.0.1:1\/api\/backends.* ECONNREFUSED .*SPAWNER_URL\.\n$/);
  });

  test("5: another server, and a URL without /api", async () => {
    const server = createServer((_, response) => void response.writeHead(502).end("<html>\n<p>bad</p>"));
    onTestFinished(() => void server.close());
    await once(server.listen(0, "127.0.0.1"), "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const page = await runCommand(["ls", "--url", url]).ended;
    expect(page.code).toBe(5);
    expect(page.stderr).toMatch(/^spawner: .*502.*<html> <p>bad.*usually ends in \/api.*--url.*\n$/);
    const { url: gatewayUrl } = await startSpawner();
    const gateway = await runCommand(["ls", "--url", gatewayUrl]).ended;
    expect(gateway.code).toBe(5);
    expect(gateway.stderr).toMatch(/usually ends in \/api/);
  });

  test("130: Ctrl-C while it waits; the backend goes on", async () => {
    const { run, spawner } = await startSpawner();
    const starting = spawner("spawn", "--wait", "--env", "LISTEN_AFTER_MS=1000");
    await starting.output.waitFor(/http/);
    starting.child.kill("SIGINT");
    expect(await starting.ended).toMatchObject({ code: 130, stderr: "" });
    const { name } = JSON.parse((await run("ls", "--json")).stdout) as BackendView;
    expect(await run("status", name, "--wait")).toMatchObject({ code: 0 });
  });

  test("0: help, which every command has with examples", async () => {
    const overall = await runCommand(["--help"]).ended;
    expect(overall).toMatchObject({ code: 0, stdout: expect.stringMatching(/Exit codes:\n.*130 +interrupted/s) });
    for (const command of ["spawn", "ls", "status", "logs", "stop"]) {
      const { code, stdout } = await runCommand([command, "--help"]).ended;
      expect(code).toBe(0);
      expect(stdout).toMatch(new RegExp(`Examples:\n +spawner ${command}`));
      expect(stdout).toContain("SPAWNER_URL");
    }
  });
});

describe("a token", () => {
  /** An API that lets in who has the token. */
  async function startGuard() {
    const server = createServer(({ headers }, response) => {
      const isKnown = headers.authorization === "Bearer right-token-0123456789";
      response.writeHead(isKnown ? 200 : 401, { "content-type": "application/json" });
      const refusal = { id: "e1", code: "unauthorized", message: "A token is needed." };
      response.end(JSON.stringify(isKnown ? { backends: [] } : refusal));
    });
    onTestFinished(() => void server.close());
    await once(server.listen(0, "127.0.0.1"), "listening");
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`;
  }

  test("is taken from --token-file, from SPAWNER_TOKEN_FILE and from SPAWNER_TOKEN", async () => {
    const url = await startGuard();
    const file = join(temporaryFolder(), "token");
    writeFileSync(file, "# of the maps team\n\n  right-token-0123456789 \n");
    const args = ["ls", "--url", url];
    const runs = [
      runCommand([...args, "--token-file", file], { SPAWNER_TOKEN: "wrong" }),
      runCommand(args, { SPAWNER_TOKEN_FILE: file }),
      runCommand(args, { SPAWNER_TOKEN: "right-token-0123456789" }),
    ];
    for (const { ended } of runs) expect(await ended).toMatchObject({ code: 0 });
  });

  test("that is missing or wrong is said so, and never shown", async () => {
    const url = await startGuard();
    for (const token of ["", "wrong-token", "wrong\ttoken"]) {
      const { code, stderr } = await runCommand(["ls", "--url", url], { SPAWNER_TOKEN: token }).ended;
      expect(code).toBe(token.includes("\t") ? 2 : 1);
      expect(stderr).toMatch(/token/);
      expect(stderr).not.toContain("wrong");
    }
  });

  test("is needed in its file", async () => {
    const file = join(temporaryFolder(), "token");
    writeFileSync(file, "# nothing yet\n");
    const { code, stderr } = await runCommand(["ls", "--token-file", file]).ended;
    expect(code).toBe(2);
    expect(stderr).toContain(`There is no token in ${file}`);
  });
});

describe("output", () => {
  const main = spawnerCommand([]).map((word) => `'${word}'`);
  const shell = (line: string) => promisify(execFile)("sh", ["-c", line.replaceAll("spawner", main.join(" "))]);

  test.each(["print-crd", "help dev", "completion bash", "ls --help"])(
    "of %s may be left unread by whoever it is for",
    async (args) => {
      expect((await shell(`spawner ${args} | true`)).stderr).toBe("");
    },
  );

  test("that a full disk does not take is said in a line", async () => {
    const failure = { code: 1, stderr: expect.stringMatching(/^spawner: the output cannot be written: ENOSPC.*\n$/) };
    await expect(shell("spawner print-crd > /dev/full")).rejects.toMatchObject(failure);
  });
});

describe("a variable of a switch", () => {
  test.each(["0", "no", "off", "FALSE", ""])("that is %j says no", async (value) => {
    const { code, stderr } = await runCommand(["serve", "--", "true"], { SPAWNER_ALLOW_ANONYMOUS: value }).ended;
    expect(code).toBe(2);
    expect(stderr).toMatch(/Who may start and end sessions/);
  });

  test("that says neither yes nor no is refused", async () => {
    const { code, stderr } = await runCommand(["serve", "--", "true"], { SPAWNER_ALLOW_ANONYMOUS: "disabled" }).ended;
    expect(code).toBe(2);
    expect(stderr).toMatch(/^spawner: SPAWNER_ALLOW_ANONYMOUS is "disabled"; 1, yes, on, true, 0, no, off or false/);
  });
});

import { existsSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { identifyProcess } from "../../packages/server/src/lib/linux-processes.ts";
import { runSpawner, startDev, temporaryFolder } from "../support/dev.ts";
import { eventually } from "../support/embedded.ts";

const program = fileURLToPath(new URL("../support/program.mjs", import.meta.url));
const command = [process.execPath, program];

const navigation = { "sec-fetch-mode": "navigate", "sec-fetch-dest": "document", accept: "text/html" };

/** fetch sets these names itself, so the request is made by hand. */
async function open(url: string, headers: Record<string, string>, method = "GET") {
  const { request } = await import("node:http");
  return new Promise<{ status: number; location: string | undefined; body: string }>((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, (response) => {
      let body = "";
      response.on("data", (bytes) => {
        body += bytes;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, location: response.headers.location, body }),
      );
    });
    sent.on("error", reject).end();
  });
}

async function countBackends(url: string): Promise<number> {
  const list = (await (await fetch(`${url}/api/backends`)).json()) as { backends: unknown[] };
  return list.backends.length;
}

describe("opening /", () => {
  test("sends each navigating browser to a backend of its own", async () => {
    const { url } = await startDev(command);
    const [first, second] = [await open(`${url}/`, navigation), await open(`${url}/`, navigation)];
    expect(first.status).toBe(303);
    expect(first.location).toMatch(/^\/[a-z0-9]+\/$/);
    expect(second.location).not.toBe(first.location);
    const pids = await Promise.all(
      [first, second].map(
        async ({ location }) => (JSON.parse((await open(`${url}${location}echo`, {})).body) as { pid: number }).pid,
      ),
    );
    expect(new Set(pids).size).toBe(2);
  });

  test("in a browser that does not say what it wants, but accepts a page, does as well", async () => {
    const { url } = await startDev(command);
    expect((await open(`${url}/`, { accept: "text/html,*/*" })).status).toBe(303);
  });

  test.each([
    ["a prefetch", { ...navigation, "sec-purpose": "prefetch;prerender" }, "GET"],
    ["an old prefetch", { ...navigation, "x-moz": "prefetch" }, "GET"],
    ["a frame", { ...navigation, "sec-fetch-dest": "iframe" }, "GET"],
    ["an image", { "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image", accept: "text/html" }, "GET"],
    ["a HEAD", navigation, "HEAD"],
    ["curl", { accept: "*/*" }, "GET"],
  ])("starts nothing for %s", async (_, headers, method) => {
    const { url } = await startDev(command);
    expect((await open(`${url}/`, headers, method)).status).toBe(200);
    expect(await countBackends(url)).toBe(0);
  });

  test("starts nothing for a favicon, a POST or an unknown path", async () => {
    const { url } = await startDev(command);
    expect((await open(`${url}/favicon.ico`, navigation)).status).toBe(404);
    expect((await open(`${url}/nothing/here`, navigation)).status).toBe(404);
    expect((await open(`${url}/`, navigation, "POST")).status).toBe(405);
    expect(await countBackends(url)).toBe(0);
  });
});

test("each event of a session is one line, and Ctrl-C ends every program", async () => {
  const { url, child, output, exited } = await startDev(command);
  const { location } = await open(`${url}/`, navigation);
  const { pid } = JSON.parse((await open(`${url}${location}echo`, {})).body) as { pid: number };
  await output.waitFor(/\d\d:\d\d:\d\d {2}[a-z0-9]+ {2}starting {2}http:/);
  await output.waitFor(/ready {5}after \d+\.\d\d s/);
  child.kill("SIGINT");
  expect(await exited).toBe(0);
  expect(output.text).toMatch(/ended {5}Drained: /);
  expect(identifyProcess(pid)).toBeUndefined();
});

test("a second Ctrl-C kills what does not want to end", async () => {
  const stubborn = ["sh", "-c", "trap '' TERM INT; while :; do sleep 0.1; done"];
  const { url, child, output, exited } = await startDev(stubborn);
  await open(`${url}/`, navigation);
  await output.waitFor(/starting/);
  await eventually("it runs", async () => (await (await fetch(`${url}/api/backends`)).text()).includes("Running"));
  const startMs = performance.now();
  child.kill("SIGINT");
  await output.waitFor(/waiting for 1 program to end, 5 s at most\. Press Ctrl-C again/);
  child.kill("SIGINT");
  expect(await exited).toBe(0);
  expect(performance.now() - startMs).toBeLessThan(4_500); // the grace that was cut short is 5 s
});

describe("flags", () => {
  test("can be given as SPAWNER_<FLAG>, and a flag wins over its variable", async () => {
    const { output } = await startDev(command, {
      env: { SPAWNER_GRACE_PERIOD: "77", SPAWNER_PORT: "1" },
    });
    expect(output.text).toContain("ended 77 s after");
  });

  test.each([
    [["--port", "70000"], /--port.*70000.*whole number from 0 to 65535/is],
    [["--grace-period", "-1"], /--grace-period.*whole number/is],
    [["--nonsense"], /unknown option '--nonsense'/],
  ])("that make no sense are refused with what is needed: %j", async (flags, message) => {
    const { output, exited } = runSpawner(["dev", ...flags, "--", ...command]);
    expect(await exited).not.toBe(0);
    expect(output.text).toMatch(message);
  });

  test("without a command, what is missing is said", async () => {
    const { output, exited } = runSpawner(["dev"]);
    expect(await exited).not.toBe(0);
    expect(output.text).toContain("Which program? Give its command behind --");
  });
});

test("a port that is taken is said so, with what to do", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  const { output, exited } = runSpawner([
    "dev",
    "--port",
    String(port),
    "--state-dir",
    temporaryFolder(),
    "--",
    ...command,
  ]);
  expect(await exited).toBe(1);
  expect(output.text).toContain(`Port ${port} on 127.0.0.1 is in use. Choose another one`);
});

test("a state folder has one owner, and the second is told who it is", async () => {
  const first = await startDev(command);
  const { output, exited } = runSpawner(["dev", "--port", "0", "--state-dir", first.stateDir, "--", ...command]);
  expect(await exited).toBe(1);
  expect(output.text).toContain(`in use by another Spawner (process ${first.child.pid})`);
});

test("after a kill -9, the next start goes on with the same sessions", async () => {
  const first = await startDev(command);
  const { location } = await open(`${first.url}/`, navigation);
  const { pid } = JSON.parse((await open(`${first.url}${location}echo`, {})).body) as { pid: number };
  first.child.kill("SIGKILL");
  await first.exited;
  const second = runSpawner(["dev", "--port", "0", "--state-dir", first.stateDir, "--", ...command]);
  const [, url] = await second.output.waitFor(/(http:\/\/127\.0\.0\.1:\d+)\/ /);
  expect(JSON.parse((await open(`${url}${location}echo`, {})).body)).toMatchObject({ pid });
  second.child.kill("SIGINT");
  expect(await second.exited).toBe(0);
  expect(identifyProcess(pid)).toBeUndefined();
});

describe("without a state folder of one's choice", () => {
  const start = (stateHome: string) =>
    runSpawner(["dev", "--port", "0", "--", ...command], { XDG_STATE_HOME: stateHome });
  const folders = (stateHome: string) => {
    const home = join(stateHome, "spawner");
    return existsSync(home) ? readdirSync(home) : [];
  };

  test("programs of a server that was killed are told of, and its folder goes when they are gone", async () => {
    const stateHome = temporaryFolder();
    const first = start(stateHome);
    const [, url = ""] = await first.output.waitFor(/(http:\/\/127\.0\.0\.1:\d+)\/ /);
    const { location } = await open(`${url}/`, navigation);
    const { pid } = JSON.parse((await open(`${url}${location}echo`, {})).body) as { pid: number };
    onTestFinished(() => void (identifyProcess(pid) && process.kill(pid, "SIGKILL")));
    const [left = ""] = folders(stateHome);
    first.child.kill("SIGKILL");
    await first.exited;

    const second = start(stateHome);
    await second.output.waitFor(new RegExp(`still run\\..*To end them: kill ${pid}\\n`));
    process.kill(pid, "SIGKILL");
    second.child.kill("SIGTERM");
    expect(await second.exited).toBe(0);
    expect(folders(stateHome)).toEqual([left]);

    const third = start(stateHome);
    await third.output.waitFor(/Ctrl-C ends all of them/);
    await eventually("the folder is gone", () => !folders(stateHome).includes(left));
    expect(third.output.text).not.toContain("still run");
    third.child.kill("SIGTERM");
    expect(await third.exited).toBe(0);
    expect(folders(stateHome)).toEqual([]);
  });

  test("a signal during the start leaves nothing either", async () => {
    const stateHome = temporaryFolder();
    const { child, exited } = start(stateHome);
    await eventually("it has begun to start", () => folders(stateHome).length > 0);
    child.kill("SIGTERM");
    expect(await exited).toBe(0);
    expect(folders(stateHome)).toEqual([]);
  });
});

test("a program that is not there is told of at the start", async () => {
  const { output } = await startDev(["no-such-program"]);
  await output.waitFor(/"no-such-program" cannot be started: it is not in PATH/);
});

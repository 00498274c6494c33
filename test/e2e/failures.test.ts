import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ErrorBody, SpawnRequest } from "@spawner/client";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { expectAtRest, expectNothingRetained, type Remains, type Served, startServed } from "../support/served.ts";

// Servers are started, and restarted, while other tests use the machine.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

/** Each session says by this variable what it runs. */
const shell = ["sh", "-c", 'eval "$SCRIPT"'];
/** A small server; `$1` is the address it listens on, `$2` the port. */
const serve = (address: string, port: string) =>
  `exec "${process.execPath}" -e 'require("http").createServer((_, r) => r.end("hello")).listen(+process.argv[2], process.argv[1])' ${address} ${port}`;

let folder: string;
let server: Served;
let atRest: Remains;

const start = (flags: readonly string[] = []) =>
  startServed({ stateDir: join(folder, "state"), command: shell, flags });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "spawner-failures-"));
  server = await start();
  atRest = await restOf(server, { env: { SCRIPT: "exit 0" } });
});

afterAll(async () => {
  await server.close();
  server.killSessions();
  rmSync(folder, { recursive: true, force: true });
});

/** What a server holds at rest, when all is loaded and open that the first session needs. */
async function restOf(of: Served, request: SpawnRequest = {}): Promise<Remains> {
  await of.history(await of.spawn(request));
  await vi.waitFor(() => expect(of.remains()).toMatchObject({ processes: [], workloads: [] }), 20_000);
  return of.remains();
}

interface BadProgram {
  readonly that: string;
  readonly script: string;
  readonly request?: SpawnRequest;
  readonly state: "Swept" | "Failed";
  readonly reason: string;
  readonly message: string | RegExp;
  /** From being asked for to being over. */
  readonly withinMs: number;
}

/** On this machine, with all others at once and tests beside them: what has no deadline of its own ends at once. */
const atOnceMs = 10_000;

const badPrograms: BadProgram[] = [
  {
    that: "has nothing to do",
    script: "echo all done",
    ...{ state: "Swept", reason: "Exited", message: "The program exited with code 0. Its last output:\nall done" },
    withinMs: atOnceMs,
  },
  {
    that: "fails at once",
    script: "echo reading config; echo 'no such file: config.json' >&2; exit 3",
    ...{ state: "Failed", reason: "Crashed" },
    message: "The program exited with code 3. Its last output:\nreading config\nno such file: config.json",
    withinMs: atOnceMs,
  },
  {
    that: "is ended by a signal of its own making",
    script: "ulimit -c 0; kill -SEGV $$",
    ...{ state: "Failed", reason: "Crashed", message: "The program was ended by SIGSEGV. It wrote nothing." },
    withinMs: atOnceMs,
  },
  {
    that: "is killed from outside",
    script: "echo working; kill -KILL $$",
    ...{ state: "Failed", reason: "Crashed", message: "The program was ended by SIGKILL. Its last output:\nworking" },
    withinMs: atOnceMs,
  },
  {
    that: "never listens",
    script: "echo loading; exec sleep 600",
    request: { startupTimeoutSeconds: 1 },
    ...{ state: "Failed", reason: "StartupTimeout" },
    message:
      "The program did not listen on its port (PORT in its environment) within 1 s (startupTimeoutSeconds). Its last output:\nloading",
    withinMs: 1_000 + atOnceMs,
  },
  {
    that: "ignores SIGTERM, as its children do",
    script: "trap '' TERM; sleep 600 & sleep 600",
    request: { startupTimeoutSeconds: 1, terminationGracePeriodSeconds: 1 },
    ...{
      state: "Failed",
      reason: "StartupTimeout",
      message: /within 1 s \(startupTimeoutSeconds\)\. It wrote nothing\.$/,
    },
    withinMs: 1_000 + atOnceMs,
  },
  {
    that: "writes 100 MB",
    script: "yes 'all work and no play' | head -c 100000000; echo; sleep 1.5; echo enough; exit 4",
    ...{ state: "Failed", reason: "Crashed" },
    message: /^The program exited with code 4\. Its last output:\n(all work and no play\n){8}.*\nenough$/,
    // What is written in just the moment in which its output is cut is lost: the last word comes after that.
    withinMs: 1_500 + atOnceMs,
  },
  {
    that: "leaves a child behind in its group",
    script: "sleep 600 & echo left; exit 5",
    ...{ state: "Failed", reason: "Crashed", message: "The program exited with code 5. Its last output:\nleft" },
    withinMs: atOnceMs,
  },
  {
    that: "leaves a child behind in a session of its own",
    script: "setsid sh -c 'echo away; exec sleep 600' & sleep 0.5; exit 6",
    ...{ state: "Failed", reason: "Crashed", message: "The program exited with code 6. Its last output:\naway" },
    withinMs: atOnceMs,
  },
  {
    that: "goes into the background as daemons do",
    script: "(setsid sh -c 'sleep 600 & exec sleep 600' &); sleep 0.5",
    ...{ state: "Swept", reason: "Exited" },
    message:
      "The program exited with code 0. What it had left in the background was ended; it has to stay in the foreground. It wrote nothing.",
    withinMs: atOnceMs,
  },
  {
    that: "outlives its time",
    script: serve("127.0.0.1", "$PORT"),
    request: { lifetimeSeconds: 2 },
    ...{ state: "Swept", reason: "LifetimeExceeded", message: "The backend reached its lifetime of 2 s." },
    withinMs: 2_000 + atOnceMs,
  },
];

describe("a program that", () => {
  test.concurrent.for(badPrograms)(
    "$that",
    async ({ script, request, state, reason, message, withinMs }, { expect }) => {
      const startMs = performance.now();
      const id = await server.spawn({ ...request, env: { SCRIPT: script } });
      const visited = server.ask(`/${id}/`); // waits, or is served, until the session is over
      const last = (await server.history(id)).at(-1);
      expect(performance.now() - startMs).toBeLessThan(withinMs);
      expect(last).toMatchObject({
        state,
        reason,
        message: typeof message === "string" ? message : expect.stringMatching(message),
      });

      const answer = await visited;
      if (reason !== "LifetimeExceeded") expect(answer.status).toBe(410);
      const late = await server.ask(`/${id}/`);
      expect(late.status).toBe(410);
      expect(((await late.json()) as ErrorBody).message).toBe(`The backend has ended (${reason}): ${last?.message}`);
    },
  );

  test.concurrent("listens on IPv6 only is served like any other", async ({ expect }) => {
    const id = await server.spawn({ env: { SCRIPT: serve("::1", "$PORT") } });
    const answer = await server.ask(`/${id}/`);
    expect([answer.status, await answer.text()]).toEqual([200, "hello"]);
    await server.ask(`/api/backend/${id}`, { method: "DELETE" });
    expect((await server.history(id)).map((message) => message.state)).toEqual(
      expect.arrayContaining(["Ready", "Swept"]),
    );
  });

  test.concurrent("listens on a port of its own choice is told which, and which it should have been", async ({
    expect,
  }) => {
    const script = serve("127.0.0.1", "0");
    const id = await server.spawn({ startupTimeoutSeconds: 3, env: { SCRIPT: script } });
    const { reason, message } = (await server.history(id)).at(-1) ?? expect.unreachable();
    expect(reason).toBe("StartupTimeout");
    expect(message).toMatch(
      / It listens on port \d+ instead, and has to listen on the one in PORT, which was \d+ this time\. /,
    );
    expect((await server.ask(`/${id}/`)).status).toBe(410);
  });

  test.concurrent("writes 100 MB costs no more disk than its limit", async ({ expect }) => {
    const id = await server.spawn({
      env: { SCRIPT: "yes | head -c 100000000; echo; sleep 1.5; echo enough; exec sleep 600" },
    });
    await vi.waitFor(
      async () => expect(await (await server.ask(`/api/backend/${id}/logs?tail=1`)).text()).toBe("enough\n"),
      { timeout: 20_000, interval: 100 },
    );
    await vi.waitFor(
      async () => {
        const kept = await (await server.ask(`/api/backend/${id}/logs`)).arrayBuffer();
        expect(kept.byteLength).toBeLessThanOrEqual(8 * 1024 * 1024);
      },
      { timeout: 10_000, interval: 100 },
    );
    await server.ask(`/api/backend/${id}`, { method: "DELETE" });
    expect((await server.history(id)).at(-1)).toMatchObject({ reason: "Requested" });
  });

  test.concurrent("finds its port taken gets another one, and no visitor is sent to whoever took it", async ({
    expect,
    onTestFinished,
  }) => {
    const go = join(folder, "go");
    const id = await server.spawn({
      env: { SCRIPT: `echo "PORT=$PORT."; until [ -e "${go}" ]; do sleep 0.02; done; ${serve("127.0.0.1", "$PORT")}` },
    });
    const visited = server.ask(`/${id}/`);
    const portsTold = async () => {
      const logs = await (await server.ask(`/api/backend/${id}/logs`)).text();
      return [...logs.matchAll(/PORT=(\d+)\./g)].map(([, port]) => Number(port));
    };
    const [first] = await vi.waitFor(async () => {
      const ports = await portsTold();
      expect(ports).toHaveLength(1);
      return ports;
    }, 20_000);
    const strangersVisits: unknown[] = [];
    const stranger = createServer((request, response) => {
      strangersVisits.push(request.url);
      response.end("a stranger");
    }).listen(first, "127.0.0.1");
    onTestFinished(() => void stranger.close());
    await once(stranger, "listening");
    await vi.waitFor(async () => expect(await portsTold()).toHaveLength(2), 20_000);
    writeFileSync(go, "");
    expect(await (await visited).text()).toBe("hello");
    expect(await (await server.ask(`/${id}/`)).text()).toBe("hello");
    expect(strangersVisits).toEqual([]);
    await server.ask(`/api/backend/${id}`, { method: "DELETE" });
  });

  test("is any of these leaves no process, socket, descriptor or workload behind", async () => {
    await expectAtRest(server, atRest);
  });
});

interface Unstartable {
  readonly that: string;
  readonly command: readonly string[];
  readonly message: RegExp;
  /** Done in the folder that the server runs in, when it does. */
  readonly act?: (cwd: string) => void;
}

const unstartable: Unstartable[] = [
  {
    that: "does not exist",
    command: ["no-such-program", "--flag"],
    message: /^The program "no-such-program" could not be started: not found \(looked for in PATH, from \/.*\)\.$/,
  },
  {
    that: "is not executable",
    command: ["./server.sh"],
    act: (cwd) => writeFileSync(join(cwd, "server.sh"), "#!/bin/sh\n"),
    message: /^The program "\.\/server\.sh" could not be started: not executable\.$/,
  },
  {
    that: "has lost its folder",
    command: ["sleep", "600"],
    act: (cwd) => rmSync(cwd, { recursive: true }),
    message: /^The program "sleep" could not be started: its folder \/.* does not exist\.$/,
  },
];

test.for(unstartable)(
  "a program that $that is a StartError that says so, and leaves nothing behind",
  async (row, { onTestFinished }) => {
    const own = mkdtempSync(join(tmpdir(), "spawner-failures-"));
    const cwd = join(own, "cwd");
    mkdirSync(cwd);
    const startHere = (flags: readonly string[] = []) =>
      startServed({ stateDir: join(own, "state"), command: row.command, flags, cwd: existsSync(cwd) ? cwd : own });
    const other = await startHere();
    onTestFinished(async () => {
      await other.close();
      rmSync(own, { recursive: true });
    });
    row.act?.(cwd);
    const before = await restOf(other);
    const startMs = performance.now();
    const id = await other.spawn();
    const states = await other.history(id);
    expect(performance.now() - startMs).toBeLessThan(atOnceMs);
    expect(states.at(-1)).toMatchObject({
      state: "Failed",
      reason: "StartError",
      message: expect.stringMatching(row.message),
    });
    const answer = await other.ask(`/${id}/`);
    expect(answer.status).toBe(410);
    expect(((await answer.json()) as ErrorBody).message).toBe(
      `The backend has ended (StartError): ${states.at(-1)?.message}`,
    );
    await expectAtRest(other, before);
    await expectNothingRetained(other, startHere);
  },
);

test("30 sessions asked for at once are all ready, and leave nothing behind", async () => {
  const ids = await Promise.all(
    Array.from({ length: 30 }, () => server.spawn({ env: { SCRIPT: serve("127.0.0.1", "$PORT") } })),
  );
  const answers = await Promise.all(ids.map(async (id) => (await server.ask(`/${id}/`)).text()));
  expect(answers).toEqual(ids.map(() => "hello"));
  expect(server.remains().processes).toHaveLength(30);
  await Promise.all(ids.map((id) => server.ask(`/api/backend/${id}`, { method: "DELETE" })));
  const ends = await Promise.all(ids.map(async (id) => (await server.history(id)).at(-1)));
  expect(ends).toEqual(ids.map(() => expect.objectContaining({ state: "Swept", reason: "Requested" })));
  await expectAtRest(server, atRest);
});

test("no row and no file is left of any of them when records are not retained any more", async () => {
  await expectNothingRetained(server, start);
});

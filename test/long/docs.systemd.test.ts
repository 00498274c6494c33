import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { SpawnResponse } from "@spawner/client";
import { describe, expect, onTestFinished, test } from "vitest";
import { findFreePort } from "../../packages/server/src/engine/process/free-port.ts";
import { isAlive, processesWithEnv } from "../../packages/server/src/lib/linux-processes.ts";
import { collect, spawnerCommand, temporaryFolder } from "../support/dev.ts";
import { fileBlock, readDocument } from "../support/documents.ts";
import { eventually } from "../support/embedded.ts";

const run = promisify(execFile);
const unit = fileBlock(readDocument("docs/one-machine.md"), "/etc/systemd/system/spawner.service");
const program = fileBlock(readDocument("README.md"), "server.mjs");
const token = "a-token-of-enough-length";

/** Why no manager of systemd can be run here; undefined where it can. */
const noManager = whyNoManager();
if (noManager !== undefined) console.log(`Skipped: running the unit of docs/one-machine.md. ${noManager}`);

function whyNoManager(): string | undefined {
  if (process.getuid?.() !== 0) return "Mounts of one's own are needed, and these root.";
  const { status } = spawnSync("unshare", [
    "-mpf",
    "--mount-proc",
    "sh",
    "-c",
    "mount -t tmpfs tmpfs /run && test -x /lib/systemd/systemd",
  ]);
  return status === 0 ? undefined : "Namespaces cannot be made here, or there is no /lib/systemd/systemd.";
}

/** The unit with this machine's paths in the place of the document's. */
function unitFor(folder: string): string {
  const [node = "", main = ""] = spawnerCommand([]);
  const replace: readonly [string | RegExp, string][] = [
    ["/usr/local/bin/spawner", `${node} ${main}`],
    [" -- node ", ` -- ${node} `],
    ["=/srv/app", `=${folder}`],
    ["/etc/spawner/tokens", join(folder, "tokens")],
    // A user's manager runs nothing as another user; a checkout may be in somebody's home.
    [/^(User|Group|ProtectHome)=.*\n/gm, ""],
    // A container's /proc does not always allow what these two have to mount.
    [/^ProtectKernel(Tunables|Logs)=.*\n/gm, ""],
  ];
  return replace.reduce((text, [from, to]) => {
    const changed = text.replace(from, to);
    if (changed === text) throw new Error(`the unit does not contain ${from}`);
    return changed;
  }, unit);
}

/** A manager of systemd with mounts, processes and units of its own, gone with the test. */
async function startManager(folder: string) {
  const home = join(folder, "home");
  mkdirSync(join(home, "systemd/user"), { recursive: true });
  writeFileSync(join(folder, "tokens"), `${token}\n`, { mode: 0o600 });
  writeFileSync(join(folder, "server.mjs"), program);
  const port = await findFreePort(new Set());
  writeFileSync(
    join(home, "systemd/user/spawner.service"),
    `${unitFor(folder)}\n[Service]\nEnvironment=SPAWNER_PORT=${port}\n`,
  );
  const script = `
    mount --make-rslave / && mount --make-rshared / && mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system $XDG_RUNTIME_DIR
    echo inside
    /lib/systemd/systemd --user --unit=basic.target --log-target=console &
    wait`; // as the first process of a namespace it would take itself for the machine's own
  const env = { PATH: process.env.PATH, HOME: home, XDG_CONFIG_HOME: home, XDG_RUNTIME_DIR: "/run/user/0" };
  // Whoever ends the first process of a namespace ends all others in it, the sessions too.
  const unshare = spawn("unshare", ["-mpf", "--kill-child", "--mount-proc", "sh", "-c", script], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(unshare, "exit");
  onTestFinished(() => void unshare.kill("SIGKILL"));
  const output = collect(unshare);
  await output.waitFor(/^inside$/m);
  const [first] = readFileSync(`/proc/${unshare.pid}/task/${unshare.pid}/children`, "utf8").split(" ");
  const systemctl = (...args: string[]) =>
    run("nsenter", ["-t", String(first), "-m", "-p", "systemctl", "--user", ...args], { env });
  const answers = () =>
    systemctl("list-units").then(
      () => true,
      () => false,
    );
  await eventually("the manager answers", answers, 20_000);
  // It takes its control groups with it, where nobody is in them any more.
  onTestFinished(async () => {
    await systemctl("exit");
    await exited;
  });
  return { url: `http://127.0.0.1:${port}`, systemctl };
}

describe.skipIf(noManager !== undefined)("under systemd", () => {
  test("sessions outlive a restart, a kill -9 and a stop of the server, and are found again", {
    timeout: 90_000,
  }, async () => {
    const folder = temporaryFolder();
    const { url, systemctl } = await startManager(folder);
    const isServing = async () => (await fetch(`${url}/healthz`).catch(() => undefined))?.status === 200;
    const mainPid = async () => (await systemctl("show", "--property=MainPID", "--value", "spawner")).stdout.trim();

    await systemctl("start", "spawner");
    await eventually("it serves", isServing, 20_000);
    const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
    const spawned = await fetch(`${url}/api/spawn`, { method: "POST", headers, body: "{}" });
    expect(spawned.status).toBe(200);
    const { name: id } = (await spawned.json()) as SpawnResponse;
    const visit = async () => (await fetch(`${url}/${id}/`)).text();
    const first = await visit();
    const nth = (n: number) => first.replace("visitor 1 ", `visitor ${n} `);
    expect(first).toMatch(/^You are visitor 1 of process \d+\.\n$/);
    const [session = Number.NaN] = await sessionsOf(url, id);
    expect(isAlive(session)).toBe(true);
    onTestFinished(() => void process.kill(session, "SIGKILL"));
    const groupOf = (pid: number) => readFileSync(`/proc/${pid}/cgroup`, "utf8");
    const group = groupOf(session);

    const before = await mainPid();
    await systemctl("restart", "spawner");
    await eventually("another server serves", async () => (await mainPid()) !== before && (await isServing()), 20_000);
    expect(await visit()).toBe(nth(2));

    const restarted = await mainPid();
    await systemctl("kill", "--kill-who=main", "--signal=SIGKILL", "spawner");
    await eventually(
      "systemd has started another",
      async () => (await mainPid()) !== restarted && (await isServing()),
      20_000,
    );
    expect(await visit()).toBe(nth(3));
    expect(groupOf(session)).toBe(group);

    await systemctl("stop", "spawner");
    expect(await isServing()).toBe(false);
    expect(isAlive(session)).toBe(true);
    await systemctl("start", "spawner").catch(async (error: Error) => {
      throw new Error(`${error.message}\n${(await systemctl("show", "spawner").catch((e) => e)).stdout}`);
    });
    await eventually("it serves again", isServing, 20_000);
    expect(await visit()).toBe(nth(4));
  });
});

/** Pids of the programs of a session, as this machine counts them. */
async function sessionsOf(url: string, id: string): Promise<number[]> {
  const stream = (await fetch(`${url}/api/backend/${id}/status/stream`)).body?.pipeThrough(new TextDecoderStream());
  for await (const text of stream ?? []) {
    const [, uid] = /^id: (.+)\/Submitted$/m.exec(text) ?? [];
    return processesWithEnv("SPAWNER_BACKEND", `spawner-${id}/${uid}`);
  }
  return [];
}

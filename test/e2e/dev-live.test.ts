import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { isAlive } from "../../packages/server/src/lib/linux-processes.ts";
import { runSpawner, startDev, temporaryFolder } from "../support/dev.ts";
import { eventually } from "../support/embedded.ts";
import { spawnSession } from "../support/spawn-session.ts";
import { noTerminal, runInTerminal } from "../support/terminal.ts";

const program = fileURLToPath(new URL("../support/program.mjs", import.meta.url));
const command = [process.execPath, program];

const startSession = async (url: string) => (await spawnSession(url)).name;

const pidOf = async (url: string, id: string) =>
  ((await (await fetch(`${url}/${id}/echo`)).json()) as { pid: number }).pid;

describe("on a terminal", { skip: noTerminal !== undefined }, () => {
  const columns = 62;
  const rows = 12;

  async function startLive({
    args = [],
    env = {},
    program = command,
  }: {
    args?: string[];
    env?: Record<string, string>;
    program?: readonly string[];
  } = {}) {
    const flags = ["--port", "0", "--state-dir", temporaryFolder(), ...args];
    const spawner = runInTerminal(["dev", ...flags, "--", ...program], { columns, rows, env });
    const type = (text: string) => spawner.child.stdin.write(text);
    onTestFinished(async () => {
      type("\x03"); // ends the sessions too
      await spawner.exited;
    });
    const [, url = ""] = await spawner.output.waitFor(/(http:\/\/127\.0\.0\.1:\d+)\/ /);
    return { ...spawner, url, type };
  }

  /** What was drawn last: behind the last clearing of what was there before. */
  const lastFrame = (text: string) =>
    stripVTControlCharacters(text.slice(text.lastIndexOf("\x1b[0J")))
      .replaceAll("\r", "")
      .trimEnd()
      .split("\n");

  test("sessions are a table, redrawn in place, that fits", async () => {
    const { url, output } = await startLive();
    await output.waitFor(/no sessions/);
    const ids: string[] = [];
    for (let index = 0; index < 15; index++) ids.push(await startSession(url));
    const shows = (what: string, holds: (frame: string[]) => boolean) =>
      eventually(what, () => holds(lastFrame(output.text)));
    await shows("15", (frame) => frame.at(-1) === "… and 6 more");
    const frame = lastFrame(output.text);
    expect(frame.filter((line) => line.length >= columns)).toEqual([]);
    expect(frame).toHaveLength(rows - 1);
    expect(frame[0]).toMatch(/^ID +STATE +AGE +CLIENTS +URL$/);
    expect(frame[1]).toMatch(new RegExp(`^${ids.at(-1)}  [A-Z][a-z]+ +\\ds +`));

    const socket = new WebSocket(`${url.replace("http", "ws")}/${ids.at(-1)}/`);
    await new Promise((resolve) => socket.once("open", resolve));
    await shows("the client", ([, first = ""]) => /Ready +\d+s +1 +http/.test(first));
    socket.close();
    await shows("nobody", ([, first = ""]) => /Ready +\d+s +0 +http/.test(first));
  });

  test("how a session failed is told in full, above the table", async () => {
    const { url, output } = await startLive();
    const [id, other] = [await startSession(url), await startSession(url)];
    await fetch(`${url}/${id}/exit?code=3`).catch(() => {});
    await output.waitFor(new RegExp(`${id}  failed    Crashed: The program exited with code 3`));
    await eventually("it left the table", () => {
      const frame = lastFrame(output.text);
      return frame.some((line) => line.startsWith(other)) && !frame.some((line) => line.startsWith(id));
    });
  });

  test("sessions that are older than the program are marked", async () => {
    const folder = temporaryFolder();
    const { url, output } = await startLive({ args: ["--watch-path", folder] });
    const old = await startSession(url);
    await output.waitFor(new RegExp(`${old}  .*Ready`));
    writeFileSync(join(folder, "changed.js"), "");
    await output.waitFor(/changed\.js; new sessions run it/);
    const young = await startSession(url);
    await eventually("both are shown", () => {
      const [, first = "", second = ""] = lastFrame(output.text);
      return new RegExp(`^${young}  Ready  `).test(first) && second.startsWith(`${old}  Ready, stale  `);
    });
  });

  test("there are colours, but not with NO_COLOR", async () => {
    const painted = await startLive({ env: { NO_COLOR: "" } });
    await spawnSession(painted.url);
    await painted.output.waitFor(/\[32mReady/);
    const plain = await startLive({ env: { NO_COLOR: "1" } });
    await spawnSession(plain.url);
    await plain.output.waitFor(/Ready/);
    expect(plain.output.text).not.toMatch(/\[\d+m/);
  });

  test("--plain writes lines", async () => {
    const { url, output } = await startLive({ args: ["--plain"] });
    await startSession(url);
    await output.waitFor(/ready {5}after/);
    expect(output.text).not.toContain("\x1b");
  });

  test("a session that is over stays in the table until its program is gone", async () => {
    const stubborn = ["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"];
    const { url, output } = await startLive({ program: stubborn });
    const id = await startSession(url);
    await output.waitFor(new RegExp(`${id}  .*Running`));
    const stop = (query = "") => fetch(`${url}/api/backend/${id}${query}`, { method: "DELETE" });
    await stop();
    await output.waitFor(/ended {5}Requested/);
    await eventually("it is ending", () => new RegExp(`^${id}  Swept, ending  `).test(lastFrame(output.text)[1] ?? ""));
    await stop("?graceSeconds=0");
    await eventually("it is gone", () => lastFrame(output.text)[0] === "no sessions");
  });

  test("Ctrl-C ends all sessions", async () => {
    const { url, output, exited, type } = await startLive();
    const pid = await pidOf(url, await startSession(url));
    type("\x03");
    expect(await exited).toBe(0);
    expect(isAlive(pid)).toBe(false);
    expect(output.text).toMatch(/Ending all sessions[\s\S]*ended {5}Drained/);
  });
});

test("sessions are ended even when nobody reads any more what is written of them", async () => {
  const { url, child, exited } = await startDev(command);
  const pid = await pidOf(url, await startSession(url));
  child.stdout.destroy();
  child.stderr.destroy();
  child.kill("SIGHUP");
  expect(await exited).toBe(0);
  expect(isAlive(pid)).toBe(false);
});

describe("--watch", () => {
  const serverThatSays = (word: string) =>
    `require("node:http").createServer((_, answer) => answer.end("${word}")).listen(process.env.PORT, "127.0.0.1");`;

  test("new sessions run the changed program, old ones go on, and are said to be stale", async () => {
    const folder = temporaryFolder();
    const file = join(folder, "server.cjs");
    writeFileSync(file, serverThatSays("before"));
    const { url, output } = await startDev([process.execPath, file], { args: ["--watch-path", folder] });
    const says = async (id: string) => (await fetch(`${url}/${id}/`)).text();

    const old = [await startSession(url), await startSession(url)];
    expect(await Promise.all(old.map(says))).toEqual(["before", "before"]);
    writeFileSync(file, serverThatSays("after"));
    const [line] = await output.waitFor(/.*changed.*\n/);
    expect(line).toMatch(/^\d\d:\d\d:\d\d {2}changed {3}\S*server\.cjs; new sessions run it, stale, started before: /);
    expect(line.trim().split(": ").at(-1)?.split(", ").sort()).toEqual(old.toSorted());

    const young = await startSession(url);
    expect(await Promise.all([...old, young].map(says))).toEqual(["before", "before", "after"]);
    await fetch(`${url}/api/backend/${old[0]}`, { method: "DELETE" });
    await output.waitFor(/ended {5}Requested/);
    writeFileSync(file, serverThatSays("last"));
    const [, told] = await output.waitFor(/changed[\s\S]*changed(.*)\n/);
    expect(told).toContain(old[1]);
    expect(told).toContain(young);
    expect(told).not.toContain(old[0]);
  });

  test("says that no session is stale where none is", async () => {
    const folder = temporaryFolder();
    const { output } = await startDev(command, { args: ["--watch-path", folder] });
    writeFileSync(join(folder, "new.js"), "");
    await output.waitFor(/changed {3}\S*new\.js; new sessions run it, no session is stale/);
  });

  test("of a path that is not there is refused", async () => {
    const flags = ["--port", "0", "--watch-path", "/no/such"];
    const { output, exited } = runSpawner(["dev", ...flags, "--", ...command]);
    expect(await exited).not.toBe(0);
    expect(output.text).toBe("spawner: Cannot watch /no/such: there is no such file or folder (--watch-path).\n");
  });
});

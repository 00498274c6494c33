import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { BusyHost } from "../core/relay-host.ts";
import { silentLog } from "../lib/log.ts";
import { ProgramControl } from "./program-control.ts";

function stateFolder(): string {
  const stateDir = mkdtempSync(join(tmpdir(), "spawner-program-control-"));
  onTestFinished(() => rmSync(stateDir, { recursive: true, force: true }));
  return stateDir;
}

async function open(stateDir: string, log = silentLog) {
  const control = await ProgramControl.open(stateDir, { log });
  onTestFinished(() => control.close());
  return control;
}

/** What a host was told. */
function recordingHost(): BusyHost & { said: number[] } {
  const said: number[] = [];
  return {
    said,
    setBusy(seconds) {
      said.push(seconds);
      return { accepted: true };
    },
  };
}

async function say(env: Readonly<Record<string, string>>): Promise<number> {
  const headers = { authorization: `Bearer ${env.SPAWNER_CONTROL_TOKEN}`, connection: "close" };
  return (await fetch(`${env.SPAWNER_CONTROL_URL}/busy`, { method: "PUT", headers, body: '{"ttlSeconds":7}' })).status;
}

test("a program is heard at its own host until it is forgotten, by the server after this one too", async () => {
  const stateDir = stateFolder();
  const first = await open(stateDir);
  first.record();
  const [host, other] = [recordingHost(), recordingHost()];
  const env = first.add("b/1", host);
  first.add("b/2", other);
  expect(await say(env)).toBe(200);
  first.forget("b/1");
  expect(await say(env)).toBe(401);
  await first.close();

  const next = await open(stateDir);
  const adopting = recordingHost();
  expect(next.add("b/1", adopting)).toEqual(env);
  expect(await say(env)).toBe(200);
  expect([host.said, other.said, adopting.said]).toEqual([[7], [], [7]]);
});

test("where its port is taken meanwhile, another is told to programs that are started from now on", async () => {
  const stateDir = stateFolder();
  const first = await open(stateDir);
  first.record();
  const env = first.add("b/1", recordingHost());
  const second = await open(stateDir); // the first still listens
  second.record();
  const secondEnv = second.add("b/1", recordingHost());
  expect(secondEnv.SPAWNER_CONTROL_TOKEN).toBe(env.SPAWNER_CONTROL_TOKEN);
  expect(secondEnv.SPAWNER_CONTROL_URL).not.toBe(env.SPAWNER_CONTROL_URL);
  await second.close();
  expect((await open(stateDir)).add("b/1", recordingHost())).toEqual(secondEnv);
});

test("nothing is written before it is known whose the folder is, and then for its owner alone", async () => {
  const stateDir = stateFolder();
  const control = await open(stateDir);
  expect(readdirSync(stateDir)).toEqual([]);
  control.record();
  expect(readdirSync(stateDir)).toEqual(["program-control"]);
  expect(statSync(join(stateDir, "program-control")).mode & 0o777).toBe(0o600);
  expect(readFileSync(join(stateDir, "program-control"), "utf8")).not.toContain(
    control.add("b/1", recordingHost()).SPAWNER_CONTROL_TOKEN,
  );
});

test.each(["", "{", "null", '{"port":"1","key":1}'])("a record that is damaged, %j, is made anew", async (text) => {
  const stateDir = stateFolder();
  writeFileSync(join(stateDir, "program-control"), text);
  const control = await open(stateDir);
  control.record();
  const env = control.add("b/1", recordingHost());
  expect(await say(env)).toBe(200);
  await control.close();
  expect((await open(stateDir)).add("b/1", recordingHost())).toEqual(env);
});

test("a folder that takes nothing more is told of, and keeps nobody from serving", async () => {
  const stateDir = stateFolder();
  const errors: string[] = [];
  const control = await open(stateDir, {
    ...silentLog,
    error: (_: object, message: string) => void errors.push(message),
  });
  rmSync(stateDir, { recursive: true });
  control.record();
  expect(errors).toEqual(["the port of the programs cannot be recorded"]);
  expect(await say(control.add("b/1", recordingHost()))).toBe(200);
});

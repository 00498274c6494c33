import { chmodSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { FakeClock } from "../lib/fake-clock.ts";
import type { Log } from "../lib/log.ts";
import { TokensFile } from "./tokens-file.ts";

const first = "first-token-0123456789";
const second = "second-token-0123456789";

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "spawner-tokens-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A tokens file with this text, what is logged of it, and time that passes on demand. */
function openTokens({ text = `${first}\n`, mode = 0o600, path = join(temporaryFolder(), "tokens") } = {}) {
  writeFileSync(path, text, { mode });
  const logged: { level: keyof Log; message: string }[] = [];
  const at = (level: keyof Log) => (_: object, message: string) => void logged.push({ level, message });
  const log: Log = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
  const clock = new FakeClock();
  const tokens = new TokensFile(path, { clock, log });
  return {
    path,
    tokens,
    logged,
    accepts: (token: string) => tokens.rolesOf(token) !== undefined,
    pass: (ms: number) => clock.advance(ms),
  };
}

test("accepts each token of the file, and nothing else", () => {
  const { accepts } = openTokens({ text: `# of the team\n\n${first}\r\n  ${second}  \n#${first}x\n` });
  expect([first, second].map(accepts)).toEqual([true, true]);
  const others = ["", "#", `#${first}x`, `${first}x`, first.slice(0, -1), first.toUpperCase(), `${first}\n${second}`];
  expect(others.map(accepts)).toEqual(others.map(() => false));
});

test("a token is good for what stands behind it, and for all where nothing does", () => {
  const third = "third-token-0123456789";
  const { tokens } = openTokens({ text: `${first}\n${second} read\n${third}\tspawn,read\r\n` });
  const roles = [first, second, third].map((token) => [...(tokens.rolesOf(token) ?? [])]);
  expect(roles).toEqual([["admin"], ["read"], ["spawn", "read"]]);
});

test.each(["write", "read spawn", "read,", "read,,spawn", "Read"])("what is said as %j is refused", (said) => {
  const text = `${first} ${said}\n`;
  expect(() => openTokens({ text })).toThrow(/line 1 is followed by something else than read, spawn, admin/);
});

describe("a file that changes is read again within a second:", () => {
  test("written in place", () => {
    const { path, accepts, pass } = openTokens();
    writeFileSync(path, `${second}\n`);
    pass(999);
    expect([accepts(first), accepts(second)]).toEqual([true, false]);
    pass(1);
    expect([accepts(first), accepts(second)]).toEqual([false, true]);
  });

  test("renamed into place, as editors do", () => {
    const { path, accepts, pass } = openTokens();
    writeFileSync(`${path}.new`, `${second}\n`);
    renameSync(`${path}.new`, path);
    pass(1_000);
    expect([accepts(first), accepts(second)]).toEqual([false, true]);
  });

  test("a link that leads elsewhere, as in a Secret of Kubernetes", () => {
    const folder = temporaryFolder();
    const [old, fresh, data] = [join(folder, "..old"), join(folder, "..new"), join(folder, "tokens")];
    writeFileSync(fresh, `${second}\n`);
    symlinkSync(old, data);
    const { accepts, pass } = openTokens({ path: data });
    symlinkSync(fresh, `${data}.tmp`);
    renameSync(`${data}.tmp`, data);
    pass(1_000);
    expect([accepts(first), accepts(second)]).toEqual([false, true]);
  });

  test("with a bad line, which is left out", () => {
    const { path, accepts, pass, logged } = openTokens();
    writeFileSync(path, `short\n${second}\n`);
    pass(1_000);
    expect([accepts("short"), accepts(first), accepts(second)]).toEqual([false, false, true]);
    expect(logged).toContainEqual({ level: "error", message: "lines of the tokens file are left out" });
  });
});

describe("nobody is accepted, and it is said once, when the file", () => {
  const refused = "tokens file is not readable: every token is refused";

  test("is gone; when it is back, it is used again", () => {
    const { path, accepts, pass, logged } = openTokens();
    renameSync(path, `${path}.away`);
    pass(1_000);
    expect(accepts(first)).toBe(false);
    pass(1_000);
    expect(accepts(first)).toBe(false);
    expect(logged.filter(({ message }) => message === refused)).toHaveLength(1);
    renameSync(`${path}.away`, path);
    pass(1_000);
    expect(accepts(first)).toBe(true);
  });

  test.each(["", "\n\n# nobody\n"])("holds only %j", (text) => {
    const { path, accepts, pass, logged } = openTokens();
    writeFileSync(path, text);
    pass(1_000);
    expect(accepts(first)).toBe(false);
    expect(accepts("")).toBe(false);
    expect(logged.at(-1)).toEqual({ level: "error", message: "tokens file holds no token: every token is refused" });
  });
});

describe("a server does not start with a file that", () => {
  const start = (text: string) => () => openTokens({ text });
  test.each([
    ["has a short token", `${first}\nonly-15-letters\n`, /the token in line 2 has 15 characters; 16 are needed/],
    [
      "has a token with a space",
      `${first} # mine\n`,
      /the token in line 1 is followed by something else than read, spawn, admin/,
    ],
    ["has a token outside ASCII", "größtes-geheimnis-der-welt\n", /the token in line 1 has a character/],
    ["is no list of tokens", "-----BEGIN KEY-----\nab cd\n".repeat(100), /line 1 has (?!.*line 6 ).*line 5 has/],
    ["is huge", "#".repeat(1_100_000), /it has 1100000 bytes; 1048576 are the most/],
  ])("%s", (_, text, message) => {
    expect(start(text)).toThrow(message);
    expect(start(text)).not.toThrow(/mine|geheimnis|only-15/);
  });

  test("is missing, or a folder", () => {
    const deps = { clock: new FakeClock(), log: {} as Log };
    expect(() => new TokensFile("/nowhere/tokens", deps)).toThrow(/"\/nowhere\/tokens" cannot be used: ENOENT/);
    expect(() => new TokensFile("/", deps)).toThrow(/"\/" cannot be used: it is not a file/);
  });
});

test("a file that every user of the machine can read is warned of", () => {
  expect(openTokens({ mode: 0o600 }).logged.map(({ level }) => level)).toEqual(["info"]);
  const path = join(temporaryFolder(), "tokens");
  writeFileSync(path, "");
  chmodSync(path, 0o644);
  expect(openTokens({ path }).logged).toContainEqual({
    level: "warn",
    message: "tokens file can be read by every user: chmod 600",
  });
});

import { expect, onTestFinished, test, vi } from "vitest";
import { FakeClock } from "../../lib/fake-clock.ts";
import { silentLog } from "../../lib/log.ts";
import { SecretServer } from "./fixtures/secret-server.ts";
import { KeysSecret } from "./keys-secret.ts";

function open(server: SecretServer, how: "read" | "ensure") {
  const clock = new FakeClock();
  const errors: string[] = [];
  const log = { ...silentLog, error: (_: object, message: string) => void errors.push(message) };
  const keys = new KeysSecret({ client: server.client(), clock, log, how });
  onTestFinished(() => keys.close());
  return { keys, clock, errors };
}

const key = "k".repeat(40);
const signing = `one:${"s".repeat(43)}\n`;

test("a controller makes the Secret where there is none, once, and everybody reads the same key", async () => {
  const server = new SecretServer();
  const all = [open(server, "ensure"), open(server, "ensure"), open(server, "read")];
  await vi.waitFor(() => expect(all.every(({ keys }) => keys.controlKey() !== undefined)).toBe(true));
  expect(new Set(all.map(({ keys }) => keys.controlKey())).size).toBe(1);
  expect(all[0]?.keys.controlKey()).toMatch(/^[\w-]{43}$/);
  const [first, ...others] = all.map(({ keys }) => keys.signingKeys());
  expect(first).toEqual([{ id: expect.any(String), secret: expect.stringMatching(/^[\w-]{43}$/) }]);
  for (const other of others) expect(other).toEqual(first);
  expect(server.made).toBe(1);
});

test("whoever only reads makes none", async () => {
  const server = new SecretServer();
  const { keys } = open(server, "read");
  await vi.waitFor(() => expect(server.watches).toBe(1));
  expect([keys.controlKey(), server.made]).toEqual([undefined, 0]);
});

test("what is there is never written over, also where it cannot be used", async () => {
  const server = new SecretServer();
  server.set({ "control-key": "short", "signing-keys": "" });
  const { keys, errors } = open(server, "ensure");
  await vi.waitFor(() => expect(errors).toHaveLength(2));
  expect(new Set(errors)).toEqual(new Set(["the Secret cannot be used"]));
  expect([keys.controlKey(), keys.signingKeys(), server.made, server.patched]).toEqual([undefined, [], 0, 0]);
  server.set({ "control-key": key, "signing-keys": signing });
  await vi.waitFor(() => expect(keys.controlKey()).toBe(key));
  expect(keys.signingKeys()).toEqual([{ id: "one", secret: "s".repeat(43) }]);
});

test("a Secret of before signing keys were in it gets some, once, and keeps what is there", async () => {
  const server = new SecretServer();
  server.set({ "control-key": key, theirs: "1" });
  const all = [open(server, "ensure"), open(server, "ensure"), open(server, "read")];
  await vi.waitFor(() => expect(all.every(({ keys }) => keys.signingKeys().length === 1)).toBe(true));
  expect(server.fields).toEqual({
    "control-key": key,
    theirs: "1",
    "signing-keys": expect.stringMatching(/^\S+:\S{43}\n$/),
  });
  expect([server.made, server.patched]).toEqual([0, 1]);
});

test("signing keys rotate without a restart, and stay as they were where the new ones cannot be used", async () => {
  const server = new SecretServer();
  server.set({ "control-key": key, "signing-keys": signing });
  const { keys, errors } = open(server, "read");
  const ids = () => keys.signingKeys().map(({ id }) => id);
  await vi.waitFor(() => expect(ids()).toEqual(["one"]));
  server.set({ "control-key": key, "signing-keys": `two:${"t".repeat(43)}\n${signing}` });
  await vi.waitFor(() => expect(ids()).toEqual(["two", "one"]));
  server.set({ "control-key": key, "signing-keys": "two" });
  await vi.waitFor(() => expect(errors).toHaveLength(1));
  expect(ids()).toEqual(["two", "one"]);
});

test("a change is seen at once; one that spoils the Secret leaves the key as it was", async () => {
  const server = new SecretServer();
  server.set({ "control-key": key, "signing-keys": signing });
  const { keys, errors } = open(server, "read");
  await vi.waitFor(() => expect(keys.controlKey()).toBe(key));
  const other = "o".repeat(40);
  server.set({ "control-key": other });
  await vi.waitFor(() => expect(keys.controlKey()).toBe(other));
  server.set({});
  await vi.waitFor(() => expect(errors).toHaveLength(1));
  expect(keys.controlKey()).toBe(other);
});

test("one that is deleted comes again as it was: what runs was started with its key", async () => {
  const server = new SecretServer();
  server.set({ "control-key": key, "signing-keys": signing });
  const { keys } = open(server, "ensure");
  await vi.waitFor(() => expect(keys.controlKey()).toBe(key));
  server.delete();
  await vi.waitFor(() => expect(server.made).toBe(1));
  expect(server.fields).toEqual({ "control-key": key, "signing-keys": signing });
});

test("what could not be made is tried again", async () => {
  const server = new SecretServer();
  server.failures = 2;
  const { keys, clock } = open(server, "ensure");
  await vi.waitFor(() => {
    clock.advance(1_000);
    expect(keys.controlKey()).toBeDefined();
  });
  expect([server.failures, server.made]).toEqual([0, 1]);
});

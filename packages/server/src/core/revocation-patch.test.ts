import { expect, test } from "vitest";
import type { ConnectionToken } from "./connection-token.ts";
import type { BackendStatus } from "./resource.ts";
import { mergeRevocations, type Revoked, revocationPatch } from "./revocation-patch.ts";
import { isRevoked, revocationOf } from "./revocations.ts";

const dayMs = 86_400_000;
const at = (day: number, seconds = 0) => new Date(Date.UTC(2026, 0, 1) + day * dayMs + seconds * 1000);
const time = (day: number, seconds = 0) => at(day, seconds).toISOString();

type Revocations = NonNullable<BackendStatus["revocations"]>;

/** What is stored when this is taken back as well. */
function afterwards(revocations: Revocations | undefined, revoked: Revoked, now: Date): Revocations {
  const status = revocations === undefined ? {} : { revocations };
  return mergeRevocations(revocations, revocationPatch({ status }, revoked, now));
}

const manyUsers = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`user-${index}`, time(0, index)]));

test("a user and a token are kept beside each other, each with its time", () => {
  const first = afterwards(undefined, { user: "ada" }, at(0));
  const second = afterwards(first, { tokenId: "t1" }, at(1));
  expect(second).toEqual({ users: { ada: time(0) }, tokens: { t1: time(1) } });
  expect(afterwards(second, { user: "ada" }, at(2))).toEqual({ users: { ada: time(2) }, tokens: { t1: time(1) } });
});

test("what is longer ago than any token lives is forgotten, and nothing before that", () => {
  const before = {
    users: { old: time(0), young: time(1) },
    tokens: { old: time(0), young: time(1) },
    everyone: time(0),
  };
  expect(afterwards(before, { user: "ada" }, at(7, 3_601))).toEqual({
    users: { young: time(1), ada: time(7, 3_601) },
    tokens: { young: time(1) },
  });
  const kept = { ...before, users: { ...before.users, ada: time(7, 3_599) } };
  expect(afterwards(before, { user: "ada" }, at(7, 3_599))).toEqual(kept);
});

test("one that is too many takes the place of all, and has everyone connected anew", () => {
  const full = {
    users: manyUsers(200),
    tokens: Object.fromEntries(Array.from({ length: 56 }, (_, i) => [`t${i}`, time(0)])),
  };
  const known = afterwards(full, { user: "user-7" }, at(1));
  expect(Object.keys(known.users ?? {})).toHaveLength(200);
  expect(known).not.toHaveProperty("everyone");

  const collapsed = afterwards(full, { user: "ada" }, at(1));
  expect(collapsed).toEqual({ users: {}, tokens: {}, everyone: time(1) });
  const backend = { status: { revocations: collapsed } };
  const ada: ConnectionToken = { id: "t9", backend: "b/u", user: "ada", expiresAtMs: 0 };
  const nobody: ConnectionToken = { id: "t9", backend: "b/u", expiresAtMs: 0 };
  const tokens: ConnectionToken[] = [
    ada,
    { ...ada, user: "user-3", revocation: time(0, 3) },
    { ...ada, id: "t3" },
    nobody,
  ];
  for (const token of tokens) {
    expect(isRevoked(backend, token)).toBe(true);
    const revocation = revocationOf(backend, token.user) ?? "";
    expect(isRevoked(backend, { ...token, revocation })).toBe(false);
  }
  const next = afterwards(collapsed, { user: "ada" }, at(1));
  expect(next).toEqual({ users: { ada: time(1, 0.001) }, tokens: {}, everyone: time(1) });
  expect(isRevoked({ status: { revocations: next } }, { ...ada, revocation: time(1) })).toBe(true);
  expect(isRevoked({ status: { revocations: next } }, { ...ada, user: "bob", revocation: time(1) })).toBe(false);
});

test("it is later than all that it takes the place of, whoever's clock those were by", () => {
  const ahead = { users: { ...manyUsers(255), ahead: time(2) } };
  expect(afterwards(ahead, { tokenId: "t" }, at(1))).toEqual({ users: {}, tokens: {}, everyone: time(2, 0.001) });
});

test("what has gone with time makes room", () => {
  const grown = { users: manyUsers(256) };
  expect(afterwards(grown, { user: "ada" }, at(8))).toEqual({ users: { ada: time(8) }, tokens: {} });
});

test("a user may be called as what all objects have", () => {
  const before = { users: { ada: time(0) } };
  const token: ConnectionToken = { id: "t", backend: "b/u", user: "constructor", expiresAtMs: 0 };
  expect(isRevoked({ status: { revocations: before } }, token)).toBe(false);
  const after = afterwards(before, { user: "constructor" }, at(0));
  expect(isRevoked({ status: { revocations: after } }, token)).toBe(true);
});

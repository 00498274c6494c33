import { expect, test } from "vitest";
import type { ConnectionToken } from "./connection-token.ts";
import { isRevoked, nextRevocation, revocationOf } from "./revocations.ts";

const first = "2026-01-31T12:00:00.000Z";
const second = "2026-01-31T12:00:00.001Z";
const ada: ConnectionToken = { id: "t1", backend: "b/u", user: "ada", expiresAtMs: 0 };
const { user: _, ...nobody } = ada;

test.each([
  ["nobody's was taken back", {}, ada, false],
  ["another user's was", { users: { bob: first } }, ada, false],
  ["this user's was", { users: { ada: first } }, ada, true],
  ["it is nobody's in particular", { users: { ada: first } }, nobody, false],
  ["it was signed in the knowledge of that", { users: { ada: first } }, { ...ada, revocation: first }, false],
  ["it was taken back again", { users: { ada: second } }, { ...ada, revocation: first }, true],
  ["the latest is not heard of here yet", { users: { ada: first } }, { ...ada, revocation: second }, false],
  ["this one token was", { tokens: { t1: first } }, { ...ada, revocation: second }, true],
])("where %s", (_, revocations, token, revoked) => {
  expect(isRevoked({ status: { revocations } }, token)).toBe(revoked);
});

test("a revocation is later than the one before, also where that was by a clock ahead of ours, or a moment ago", () => {
  expect(nextRevocation(new Date(second), undefined)).toBe(second);
  expect(nextRevocation(new Date(second), first)).toBe(second);
  expect(nextRevocation(new Date(first), first)).toBe(second);
  expect(nextRevocation(new Date(0), first)).toBe(second);
  expect(revocationOf({ status: { revocations: { users: { ada: first } } } }, "ada")).toBe(first);
  expect(revocationOf({ status: {} }, "ada")).toBeUndefined();
});

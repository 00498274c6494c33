import { expect, test } from "vitest";
import type { ConnectionToken } from "../core/connection-token.ts";
import type { Backend, BackendStatus } from "../core/resource.ts";
import { OpenConnections } from "./open-connections.ts";

const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second));

function backend(status: BackendStatus, uid = "u1"): Backend {
  return {
    metadata: { name: "b1", uid, resourceVersion: "1", creationTimestamp: at(0).toISOString(), labels: {} },
    spec: { template: { containers: [{}] } },
    status,
  };
}

function token(id: string, user?: string, uid = "u1"): ConnectionToken {
  return { id, backend: `b1/${uid}`, ...(user === undefined ? {} : { user }), expiresAtMs: at(60).getTime() };
}

/** A register in which each of these is open. */
function openAll(...tokens: ConnectionToken[]) {
  const open = new OpenConnections();
  const revoked: string[] = [];
  const releases = tokens.map((each) => open.add(each, () => void revoked.push(each.id)));
  return { open, revoked, releases };
}

test("a user's, or a token's, are ended, those of this generation alone", () => {
  const tokens = [token("a1", "ada"), token("a2", "ada"), token("b1", "bob"), token("n1"), token("old", "ada", "u0")];
  const { open, revoked } = openAll(...tokens);
  open.onChange(backend({ ready: true }));
  expect(revoked).toEqual([]);
  open.onChange(backend({ revocations: { users: { ada: at(2).toISOString() } } }));
  expect(revoked).toEqual(["a1", "a2"]);
  open.onChange(backend({ revocations: { tokens: { n1: at(2).toISOString() } } }));
  expect(revoked).toEqual(["a1", "a2", "n1"]);
});

test("a token that was signed in the knowledge of its user's revocation goes on", () => {
  const { open, revoked } = openAll({ ...token("a1", "ada"), revocation: at(2).toISOString() });
  open.onChange(backend({ revocations: { users: { ada: at(2).toISOString() } } }));
  expect(revoked).toEqual([]);
});

test("nothing is kept of what is over, in whatever order it ends, also where ending it ends it here", () => {
  const many = Array.from({ length: 10_000 }, (_, index) => token(`t${index}`, "ada", `u${index % 7}`));
  const { open, revoked, releases } = openAll(...many);
  expect(open.count).toBe(10_000);
  for (const release of [...releases].reverse()) release();
  for (const release of releases) release();
  expect(open.count).toBe(0);
  const release = open.add(token("again", "ada"), () => release());
  open.onChange(backend({ revocations: { users: { ada: at(2).toISOString() } } }));
  expect(open.count).toBe(0);
  expect(revoked).toEqual([]);
});

import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { heapBytes } from "../../../../test/support/garbage.ts";
import { ConnectionTokenSigner, ConnectionTokenVerifier } from "./connection-token.ts";
import { makeSigningKey, type SigningKey } from "./signing-keys.ts";

const grant = { backend: "spawner-b1/uid-1", user: "ada", auth: { role: "teacher" } };

function setUp(keys: readonly SigningKey[] = [{ ...makeSigningKey(new Date()), id: "k1" }]) {
  const state = { keys, nowMs: Date.parse("2026-01-31T12:00:00Z") };
  const now = () => new Date(state.nowMs);
  const signer = new ConnectionTokenSigner(() => state.keys, { now });
  const verifier = new ConnectionTokenVerifier(() => state.keys, { now, rememberedMax: 2 });
  const sign = (ttlSeconds = 60) => signer.sign(grant, { ttlSeconds })?.text ?? "";
  return { state, sign, verify: (token: string) => verifier.verify(token), key: keys[0] as SigningKey };
}

/** A token as anybody can write one. */
function forge(header: object, claims: object, secret: string | undefined): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const input = `${part(header)}.${part(claims)}`;
  return `${input}.${secret === undefined ? "" : createHmac("sha256", secret).update(input).digest("base64url")}`;
}

const claims = { aud: "spawner.dev/connection", jti: "t", backend: "b/u", iat: 0, exp: 9_999_999_999 };

test("a token says whom it lets in and where, and is remembered as such", () => {
  const { sign, verify } = setUp();
  const token = sign();
  for (let use = 0; use < 2; use++) expect(verify(token)).toMatchObject({ kind: "valid", token: grant });
});

test("two tokens of one grant have names of their own", () => {
  const { sign, verify } = setUp();
  const [a, b] = [verify(sign()), verify(sign())];
  expect(a.kind === "valid" && b.kind === "valid" && a.token.id !== b.token.id).toBe(true);
});

test("a token is over when its time is, also one that was used before", () => {
  const { state, sign, verify } = setUp();
  const token = sign(60);
  expect(verify(token).kind).toBe("valid");
  state.nowMs += 61_000;
  expect(verify(token).kind).toBe("expired");
});

test("keys are replaced while tokens are about: the new one signs, the old one verifies until it is taken out", () => {
  const { state, sign, verify, key } = setUp();
  const old = sign();
  expect(verify(old).kind).toBe("valid");
  const next = { ...makeSigningKey(new Date()), id: "k2" };
  state.keys = [next, key];
  expect([verify(old).kind, verify(sign()).kind]).toEqual(["valid", "valid"]);
  state.keys = [next];
  expect([verify(old).kind, verify(sign()).kind]).toEqual(["invalid", "valid"]);
  state.keys = [{ ...next, secret: key.secret }];
  expect(verify(old).kind).toBe("invalid");
});

test("without a key nothing is signed and nothing valid", () => {
  const { state, sign, verify } = setUp();
  const token = sign();
  state.keys = [];
  expect(verify(token).kind).toBe("invalid");
  expect(sign()).toBe("");
});

test("more tokens than are remembered are all valid", () => {
  const { sign, verify } = setUp();
  const tokens = Array.from({ length: 5 }, () => sign());
  for (const token of [...tokens, ...tokens]) expect(verify(token).kind).toBe("valid");
});

test("a token is remembered without what it came in", () => {
  const { state, sign } = setUp();
  const verifier = new ConnectionTokenVerifier(() => state.keys, { now: () => new Date(state.nowMs) });
  const count = 100;
  const cookieBytes = 100_000;
  const beforeBytes = heapBytes();
  for (let each = 0; each < count; each++) {
    const cookie = `a=${String(each % 10).repeat(cookieBytes)}; b=${sign()}`;
    expect(verifier.verify(cookie.slice(cookie.lastIndexOf("=") + 1)).kind).toBe("valid");
  }
  expect(heapBytes() - beforeBytes).toBeLessThan((count * cookieBytes) / 2);
  expect(verifier.canVerify).toBe(true); // it is there still
});

describe("a token is not ours that", () => {
  const header = { alg: "HS256", typ: "JWT", kid: "k1" };
  test.each([
    ["has no algorithm", (_: SigningKey) => forge({ ...header, alg: "none" }, claims, undefined)],
    ["has no algorithm, in other letters", () => forge({ ...header, alg: "nOnE" }, claims, undefined)],
    ["has another algorithm", ({ secret }: SigningKey) => forge({ ...header, alg: "HS512" }, claims, secret)],
    ["is signed with another key", () => forge(header, claims, "another-key-that-is-long-enough-for-anybody")],
    ["names another key", ({ secret }: SigningKey) => forge({ ...header, kid: "k9" }, claims, secret)],
    ["names no key", ({ secret }: SigningKey) => forge({ alg: "HS256" }, claims, secret)],
    ["is for others", ({ secret }: SigningKey) => forge(header, { ...claims, aud: "others" }, secret)],
    ["is for nobody", ({ secret }: SigningKey) => forge(header, { ...claims, aud: undefined }, secret)],
    ["never ends", ({ secret }: SigningKey) => forge(header, { ...claims, exp: undefined }, secret)],
    ["is empty", () => ""],
    ["is no token", () => "a.b.c"],
    ["is very long", ({ secret }: SigningKey) => forge(header, { ...claims, auth: { a: "x".repeat(9_000) } }, secret)],
    ["was changed", ({ secret }: SigningKey) => forge(header, claims, secret).replace(/\.[^.]+\./, (p) => `${p}A`)],
  ])("%s", (_, make) => {
    const { verify, key } = setUp();
    expect(verify(forge({ alg: "HS256", kid: "k1" }, claims, key.secret)).kind).toBe("valid");
    expect(verify(make(key)).kind).toBe("invalid");
  });
});

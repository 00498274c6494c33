import { describe, expect, test } from "vitest";
import { ConnectionTokenSigner, ConnectionTokenVerifier } from "../core/connection-token.ts";
import type { Backend, BackendSpec, BackendStatus } from "../core/resource.ts";
import { makeSigningKey } from "../core/signing-keys.ts";
import { FakeClock } from "../lib/fake-clock.ts";
import { parseRequestHead } from "../relay/parse-head.ts";
import { type AdmissionRules, admit } from "./admission.ts";
import {
  cookieOf,
  hostCookieName,
  KnownCookies,
  pathCookieName,
  withoutCookie,
  withoutToken,
} from "./connection-credential.ts";

const ownOrigin = "https://play.example.com";

function setUp({ spec = {}, status = {}, requireToken = false, hasKeys = true }: Setting = {}) {
  const clock = new FakeClock();
  const now = () => clock.now();
  const keys = [makeSigningKey(new Date())];
  const signer = new ConnectionTokenSigner(() => keys, { now });
  const verifier = new ConnectionTokenVerifier(() => (hasKeys ? keys : []), { now });
  const rules: AdmissionRules = { verifier, requireToken, allowedOrigins: new Set(["https://app.example.com"]) };
  const backend: Backend = {
    metadata: {
      name: "spawner-b1",
      uid: "u2",
      resourceVersion: "1",
      creationTimestamp: "2026-01-01T00:00:00Z",
      labels: {},
    },
    spec: { template: { containers: [{}] }, requireToken: true, ...spec },
    status,
  };
  const sign = (backend: string, user = "ada", revocation = "") =>
    signer.sign({ backend, user, ...(revocation && { revocation }) }, { ttlSeconds: 60 })?.text ?? "";
  return {
    clock,
    sign,
    token: sign("spawner-b1/u2"),
    ask: ({ query = "", method = "GET", fields = [] }: { query?: string; method?: string; fields?: string[] }) => {
      const target = `/x${query}`;
      const text = `${method} ${target} HTTP/1.1\r\nhost: a\r\n${fields.map((line) => `${line}\r\n`).join("")}\r\n`;
      const head = parseRequestHead(Buffer.from(text), { headBytesMax: 10_000, headerCountMax: 100 });
      return admit(
        { head, target, cookieName: pathCookieName, cookies: new KnownCookies(), ownOrigin },
        backend,
        rules,
      );
    },
  };
}

interface Setting {
  spec?: Partial<BackendSpec>;
  status?: BackendStatus;
  requireToken?: boolean;
  /** Whether the gateway has read the keys. */
  hasKeys?: boolean;
}

const cookie = (token: string) => `cookie: a=1; ${pathCookieName}=${token}; b=2`;
const upgrade = ["connection: Upgrade", "upgrade: websocket"];

test("a backend that asks for no token is open, unless the gateway asks for one", () => {
  expect(setUp({ spec: { requireToken: false } }).ask({})).toEqual({ kind: "open", isAuthorizationOurs: false });
  const asked = setUp({ spec: { requireToken: false }, requireToken: true });
  expect(asked.ask({})).toMatchObject({ kind: "refused", code: "unauthorized" });
});

test("a token is taken from the URL, the Authorization field or the cookie, and says who it is", () => {
  const { ask, token } = setUp();
  const admitted = (by: string) => ({ kind: "admitted", token: { user: "ada" }, credential: { by, text: token } });
  expect(ask({ query: `?a=1&_spawner_token=${token}` })).toMatchObject(admitted("query"));
  expect(ask({ fields: [`Authorization: bearer ${token}`] })).toMatchObject(admitted("bearer"));
  expect(ask({ fields: [cookie(token)] })).toMatchObject(admitted("cookie"));
});

test("a gateway that has no key yet calls no token bad, and lets nobody in", () => {
  const { ask, token } = setUp({ hasKeys: false });
  for (const request of [{ query: `?_spawner_token=${token}` }, { fields: [cookie(token)] }]) {
    expect(ask(request)).toMatchObject({ kind: "refused", code: "unavailable" });
  }
  expect(ask({})).toMatchObject({ kind: "refused", code: "unauthorized" });
});

test("an Authorization field and a cookie of the program's own are passed over", () => {
  const { ask, token } = setUp();
  const fields = ["authorization: Bearer program-s-own", cookie("odd"), cookie(token)];
  expect(ask({ fields })).toMatchObject({ kind: "admitted" });
});

test("whoever has nothing but a token that is none of ours is told so", () => {
  const { ask } = setUp();
  const messageOf = (...fields: string[]) => ask({ fields });
  const given = /^A connection token is needed, and the token in Authorization is none:/;
  const refusal = (message: RegExp) => ({ code: "unauthorized", message: expect.stringMatching(message) });
  expect(messageOf("authorization: Bearer nonsense")).toMatchObject(refusal(given));
  for (const fields of [[], ["authorization: Basic nonsense"], [cookie("nonsense")]]) {
    expect(messageOf(...fields)).toMatchObject(refusal(/^A connection token is needed: open/));
  }
});

test("an Authorization field of ours is known for one, also where another token let the request in", () => {
  const { ask, token } = setUp();
  const query = `?_spawner_token=${token}`;
  const ours = ask({ query, fields: [`authorization: Bearer ${token}`] });
  expect(ours).toMatchObject({ kind: "admitted", credential: { by: "query" }, isAuthorizationOurs: true });
  const theirs = ask({ query, fields: ["authorization: Bearer program-s-own"] });
  expect(theirs).toMatchObject({ kind: "admitted", isAuthorizationOurs: false });
});

test("an Authorization field of ours is known for one where no token is asked for, be it over, or of another backend", () => {
  const { ask, sign, token, clock } = setUp({ spec: { requireToken: false } });
  const other = sign("spawner-b2/u9");
  const isOurs = (...values: string[]) => ask({ fields: values.map((value) => `Authorization: ${value}`) });
  const known = { kind: "open", isAuthorizationOurs: true };
  for (const each of [`Bearer ${token}`, `bearer  ${other} `]) expect(isOurs(each)).toEqual(known);
  expect(isOurs("Bearer program-s-own", `BEARER ${token}`)).toEqual(known);
  clock.advance(60_000);
  expect(isOurs(`Bearer ${token}`)).toEqual(known);
  const strange = setUp().token; // signed with a key of others
  for (const each of ["Bearer program-s-own", `Basic ${token}`, `Bearer ${strange}`, `Bearer ${token}x`]) {
    expect(isOurs(each)).toEqual({ kind: "open", isAuthorizationOurs: false });
  }
});

test("a parameter whose name or token is in percent-encoding is one all the same", () => {
  const { ask, token } = setUp();
  const query = `?%5fspawner_token=${token.replaceAll(".", "%2E")}`;
  expect(ask({ query })).toMatchObject({ kind: "admitted", credential: { by: "query" } });
});

test("of several cookies one that is good is enough, whoever set the others and however they are bad", () => {
  const { ask, sign, token, clock } = setUp();
  const expired = sign("spawner-b1/u2");
  clock.advance(60_000);
  const good = sign("spawner-b1/u2");
  for (const bad of [expired, sign("spawner-b1/u1"), sign("spawner-b2/u2"), "forged"]) {
    const fields = [`cookie: ${pathCookieName}=${bad}; ${pathCookieName}=${good}`];
    expect(ask({ fields })).toMatchObject({ kind: "admitted", credential: { text: good } });
  }
  expect(token).not.toBe(good);
});

describe("is refused:", () => {
  const refused = (code: string, message: RegExp) => ({
    kind: "refused",
    code,
    message: expect.stringMatching(message),
  });

  test("who brings nothing, or a token in the URL that is none", () => {
    const { ask, token } = setUp();
    expect(ask({})).toMatchObject(refused("unauthorized", /is needed/));
    expect(ask({ query: "?_spawner_token=x", fields: [cookie(token)] })).toMatchObject(
      refused("unauthorized", /none of ours/),
    );
  });

  test("a token of another generation, of another backend, and one that is over", () => {
    const { ask, sign, token, clock } = setUp();
    const by = (text: string) => ask({ query: `?_spawner_token=${text}` });
    expect(by(sign("spawner-b1/u1"))).toMatchObject(refused("backend_ended", /has ended/));
    expect(ask({ fields: [cookie(sign("spawner-b1/u1"))] })).toMatchObject(refused("backend_ended", /has ended/));
    expect(by(sign("spawner-b2/u2"))).toMatchObject(refused("unauthorized", /another session/));
    clock.advance(60_000);
    expect(by(token)).toMatchObject(refused("unauthorized", /is over since/));
  });

  test("a revoked token or user, but not who was let in again", () => {
    const ada = "2026-01-31T12:00:00.000Z";
    const { ask, sign, token } = setUp({ status: { revocations: { users: { ada } } } });
    expect(ask({ fields: [cookie(token)] })).toMatchObject(refused("unauthorized", /revoked/));
    expect(ask({ fields: [cookie(sign("spawner-b1/u2", "bob"))] })).toMatchObject({ kind: "admitted" });
    expect(ask({ fields: [cookie(sign("spawner-b1/u2", "ada", ada))] })).toMatchObject({ kind: "admitted" });
  });

  test("a page of another origin that uses the browser's cookie to connect or to change something", () => {
    const { ask, token } = setUp();
    const from = (origin: string, more: string[], method = "GET") =>
      ask({ method, fields: [cookie(token), `origin: ${origin}`, ...more] });
    expect(from("https://evil.example", upgrade)).toMatchObject(refused("forbidden_origin", /evil/));
    expect(from("null", upgrade)).toMatchObject(refused("forbidden_origin", /null/));
    expect(from("https://evil.example", [], "POST")).toMatchObject(refused("forbidden_origin", /evil/));
    for (const origin of [ownOrigin, "https://app.example.com"]) {
      expect(from(origin, upgrade)).toMatchObject({ kind: "admitted" });
    }
    expect(from("https://evil.example", [])).toMatchObject({ kind: "admitted" });
    expect(
      ask({ query: `?_spawner_token=${token}`, fields: [...upgrade, "origin: https://evil.example"] }),
    ).toMatchObject({
      kind: "admitted",
    });
  });
});

test.each([
  ["/a?_spawner_token=x", "/a"],
  ["/a?b=%20&_spawner_token=x&c", "/a?b=%20&c"],
  ["/a?b=1&&c", "/a?b=1&&c"],
  ["/a?_spawner_token=x&_spawner_token=y&_spawner_token", "/a"],
  ["/a?%5Fspawner_toke%6e=x&b=%zz", "/a?b=%zz"],
  ["/a?x_spawner_token=x", "/a?x_spawner_token=x"],
  ["/a", "/a"],
])("a program sees %s without our token", (target, seen) => {
  expect(withoutToken(target)).toBe(seen);
});

test("a program does not see our cookies", () => {
  expect(withoutCookie(`a=1; ${pathCookieName}=x;b=2`)).toBe("a=1; b=2");
  expect(withoutCookie(`${hostCookieName}=x; ${pathCookieName}=y; c`)).toBe("c");
  expect(withoutCookie(`${pathCookieName}=x`)).toBeNull();
  expect(withoutCookie("Spawner-Token=x; a=1")).toBe("a=1");
  expect(withoutCookie("a=1; __HOST-SPAWNER-TOKEN=x")).toBe("a=1");
  expect(withoutCookie("spawner-token =x; a=1")).toBe("a=1");
  expect(withoutCookie("a=1;b")).toBe("a=1;b");
  expect(withoutCookie("a=spawner-token=1;x-spawner-token=2")).toBe("a=spawner-token=1;x-spawner-token=2");
});

test("the cookie is for this backend's path alone, and for a page of another site where it is embedded there", () => {
  const of = { name: pathCookieName, path: "/b1/", maxAgeSeconds: 60 };
  expect(cookieOf("t", { ...of, isSecure: false, isEmbedded: true })).toBe(
    "spawner-token=t; Path=/b1/; Max-Age=60; HttpOnly; SameSite=Lax",
  );
  expect(cookieOf("t", { ...of, isSecure: true, isEmbedded: true })).toBe(
    "spawner-token=t; Path=/b1/; Max-Age=60; HttpOnly; SameSite=None; Partitioned; Secure",
  );
});

test("what was read of one Cookie value is not taken for another's", () => {
  const cookies = new KnownCookies();
  for (const _ of [1, 2]) {
    expect(cookies.named("spawner-token", "a=1; spawner-token=x ;spawner-token=y")).toEqual(["x", "y"]);
    expect(cookies.named("__Host-spawner-token", "a=1; spawner-token=x ;spawner-token=y")).toEqual([]);
    expect(cookies.without("a=1; spawner-token=x ;spawner-token=y")).toBe("a=1");
    expect(cookies.without("spawner-token=z")).toBe(null);
    expect(cookies.named("spawner-token", "spawner-token=z")).toEqual(["z"]);
    expect(cookies.named("spawner-token", "xspawner-token=z; a=spawner-token=z")).toEqual([]);
    expect(cookies.without("xspawner-token=z; a=spawner-token=z")).toBe("xspawner-token=z; a=spawner-token=z");
  }
});

test("a long Cookie value is read all the same, and not kept: every backend would keep one", () => {
  const cookies = new KnownCookies();
  const short = "a=1; spawner-token=x";
  const long = `a=${"1".repeat(4_000)}; spawner-token=y`;
  const kept = cookies.named("spawner-token", short);
  for (const _ of [1, 2]) {
    expect(cookies.named("spawner-token", long)).toEqual(["y"]);
    expect(cookies.without(long)).toBe(long.slice(0, long.indexOf(";")));
  }
  expect(cookies.named("spawner-token", long)).not.toBe(cookies.named("spawner-token", long));
  expect(cookies.named("spawner-token", short)).toBe(kept);
});

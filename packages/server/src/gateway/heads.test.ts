import { expect, test } from "vitest";
import { FieldLines } from "../relay/index.ts";
import { parseRequestHead, parseResponseHead } from "../relay/parse-head.ts";
import type { Admission } from "./admission.ts";
import { redirect, safeLocation } from "./answers.ts";
import { forwardedFields } from "./forwarded.ts";
import { backwardHead, forwardHead, mapCookiePath, mapLocation, mapWorkerScope } from "./heads.ts";

const here = { prefix: "/b4x", hosts: ["127.0.0.1:8080"] };

test.each([
  ["an absolute path goes under the prefix", "/login?a=b#c", "/b4x/login?a=b#c"],
  ["so does the root", "/", "/b4x/"],
  ["so does a URL of this host", "http://127.0.0.1:8080/login", "http://127.0.0.1:8080/b4x/login"],
  ["in any case", "HTTP://127.0.0.1:8080/login", "HTTP://127.0.0.1:8080/b4x/login"],
  ["a path that is there already stays", "/b4x/login", "/b4x/login"],
  ["one that only begins alike does not", "/b4xy/login", "/b4x/b4xy/login"],
  ["a relative path stays", "login", "login"],
  ["another host stays", "https://example.com/login", "https://example.com/login"],
  ["another host without scheme stays", "//example.com/login", "//example.com/login"],
])("Location: %s", (_, given, mapped) => {
  expect(mapLocation(given, here)).toBe(mapped);
});

test.each([
  ["a=b; Path=/", "a=b; Path=/b4x/"],
  ["a=b; path=/x; HttpOnly", "a=b; path=/b4x/x; HttpOnly"],
  ["a=b; HttpOnly;Path = /x", "a=b; HttpOnly;Path = /b4x/x"],
  ["a=b; Path=/b4x/x", "a=b; Path=/b4x/x"],
  ["a=path=/x", "a=path=/x"],
  ["a=b", "a=b"],
  ["__Host-a=b; Path=/; Secure", "__Host-a=b; Path=/; Secure"],
  ["__host-a=b; Secure; Path=/", "__host-a=b; Secure; Path=/"],
  ["__Secure-a=b; Path=/; Secure", "__Secure-a=b; Path=/b4x/; Secure"],
  ["a=__Host-b; Path=/", "a=__Host-b; Path=/b4x/"],
])("Set-Cookie: %s becomes %s", (given, mapped) => {
  expect(mapCookiePath(given, here.prefix)).toBe(mapped);
});

test.each([
  ["/", "/b4x/"],
  ["/app/", "/b4x/app/"],
  ["/b4x/app", "/b4x/app"],
  ["/b4x", "/b4x/"],
  ["/b4xy/", "/b4x/b4xy/"],
  ["./", null],
  ["../", null],
  ["/../", null],
  ["/b4x/../", null],
  ["/b4x/%2e%2E/", null],
  ["/b4x/\\..\\..\\", null],
  ["//127.0.0.1/", null],
  ["http://127.0.0.1:8080/", null],
  ["/a, /", null],
  ["", null],
])("Service-Worker-Allowed: %j becomes %j", (given, mapped) => {
  expect(mapWorkerScope(given, here.prefix)).toBe(mapped);
  expect(mapWorkerScope(given, "")).toBe(given);
});

test("a program clears no data, and has no worker, beyond its own path; on a host of its own it may", () => {
  const lines = 'clear-site-data: "*"\r\nSERVICE-WORKER-ALLOWED: /\r\nService-Worker-Allowed: ../\r\nX: a\r\n';
  const of = (prefix: string) =>
    backwardHead(parseResponseHead(Buffer.from(`HTTP/1.1 200 OK\r\n${lines}\r\n`), limits), { prefix, hosts: [] });
  expect(String(of("/b4x"))).toBe("HTTP/1.1 200 OK\r\nSERVICE-WORKER-ALLOWED: /b4x/\r\nX: a\r\n\r\n");
  expect(String(of(""))).toBe(`HTTP/1.1 200 OK\r\n${lines}\r\n`);
});

const limits = { headBytesMax: 10_000, headerCountMax: 100 };
const view = {
  addresses: ["192.0.2.7"],
  proto: "http",
  host: "play.example",
  askedHost: "play.example",
  prefix: "",
} as const;
const request = { view, told: [new FieldLines(forwardedFields(view, "/b4x"))] };

/** The head that a program gets of a request with these fields. */
function forwarded(...lines: string[]): string {
  const text = `GET /b4x/ HTTP/1.1\r\nHost: play.example\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`;
  return forwardHead(parseRequestHead(Buffer.from(text), limits), { target: "/", ...request }).toString();
}

test.each([
  "X-Spawner-User",
  "x_spawner_user",
  "X-Spawner_Auth",
  "X.Spawner.User",
  "x~spawner-user",
  "X-Spawner-Backend",
])("nobody but Spawner says %s to a program", (name) => {
  expect(forwarded(`${name}: eve`)).not.toMatch(/eve/);
});

test("a program is shown no token of ours in a cookie or a Referer", () => {
  const head = forwarded(
    "Cookie: spawner-token=secret; a=1; __Host-spawner-token=secret",
    "Referer: http://play.example/b4x/?_spawner_token=secret&b=2",
  );
  expect(head).not.toMatch(/secret/);
  expect(head).toMatch(/^Cookie: a=1\r$/m);
  expect(head).toMatch(/^Referer: http:\/\/play\.example\/b4x\/\?b=2\r$/m);
  expect(forwarded("Cookie: spawner-token=secret")).not.toMatch(/cookie/i);
});

test.each([
  ["a cookie in another case", "Cookie: a=1; SPAWNER-Token=secret"],
  ["a cookie without a name", "Cookie: =spawner-token=secret"],
  ["the second of two Cookie fields", "Cookie: a=1", "Cookie: spawner-token=secret"],
  ["a Referer that spells the parameter in another way", "Referer: http://play.example/b4x/?%5Fspawner%5Ftoken=secret"],
])("nor in %s", (_what, ...lines) => {
  expect(forwarded(...lines)).not.toMatch(/secret/);
});

test("a program is shown no token of ours in Authorization, also where none is asked for", () => {
  const token = { id: "t", backend: "b4x/u1", expiresAtMs: 0 };
  const credential = { by: "query", text: "secret" } as const;
  const text = "GET /b4x/ HTTP/1.1\r\nHost: play.example\r\nAuthorization: Bearer secret\r\n\r\n";
  const sent = (admission: Admission) =>
    String(forwardHead(parseRequestHead(Buffer.from(text), limits), { target: "/", ...request, admission }));
  for (const isAuthorizationOurs of [true, false]) {
    const admissions: Admission[] = [
      { kind: "open", isAuthorizationOurs },
      { kind: "admitted", token, credential, isAuthorizationOurs },
    ];
    for (const admission of admissions) expect(sent(admission).includes("secret")).toBe(!isAuthorizationOurs);
  }
});

test("a program sets no cookie of ours, on whatever path and in whatever case", () => {
  const lines = [
    "spawner-token=x; Path=/",
    "__HOST-spawner-token=x; Path=/",
    "Spawner-Token=x",
    "=spawner-token=x",
    "mine=1; Path=/",
  ];
  const text = `HTTP/1.1 200 OK\r\n${lines.map((line) => `Set-Cookie: ${line}\r\n`).join("")}\r\n`;
  for (const [prefix, path] of [
    ["/b4x", "/b4x/"],
    ["", "/"],
  ] as const) {
    const head = backwardHead(parseResponseHead(Buffer.from(text), limits), { prefix, hosts: [] });
    expect(String(head)).toBe(`HTTP/1.1 200 OK\r\nSet-Cookie: mine=1; Path=${path}\r\n\r\n`);
  }
});

test.each([
  ["/a?b", "/a?b"],
  ["//evil.example/", "/.//evil.example/"],
  ["/\\evil.example/", "/./\\evil.example/"],
  ["/caf\xe9", "/caf%E9"],
])("the Location of %s leads to this host: %s", (path, location) => {
  expect(safeLocation(path)).toBe(location);
  expect(new URL(location, "http://here.example").host).toBe("here.example");
});

test("a redirect that may have a token in it is not kept, and not told to others", () => {
  expect(redirect("/b4x/?_spawner_token=x")).toMatchObject({
    answer: { status: 308, headers: { "cache-control": "no-store", "referrer-policy": "no-referrer" } },
  });
});

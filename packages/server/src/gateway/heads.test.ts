import { expect, test } from "vitest";
import { mapCookiePath, mapLocation } from "./heads.ts";

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

import { expect, test } from "vitest";
import { isPlainPath } from "./plain-path.ts";

test.each([
  [true, "/"],
  [true, "/base"],
  [true, "/base/b4x/"],
  [true, "/a.b/..c/~d/%C3%A9"],
  [false, ""],
  [false, "base"],
  [false, "//a.example"],
  [false, "/\\a.example"],
  [false, "/a//b"],
  [false, "/a;Domain=example.com"],
  [false, "/a,/b"],
  [false, "/a?b"],
  [false, "/a#b"],
  [false, "/a b"],
  [false, "/a\tb"],
  [false, '/a"b'],
  [false, "/a<b"],
  [false, "/%zz"],
  [false, "/a/../b"],
  [false, "/a/.."],
  [false, "/./a"],
  [false, "/%2E%2e/a"],
  [false, "/.%2e"],
  [false, "/caf\xe9"],
])("that a path is plain is %s of %j", (expected, path) => {
  expect(isPlainPath(path)).toBe(expected);
});

test("a long one is judged in time", () => {
  expect(isPlainPath(`${"/a".repeat(15_000)};`)).toBe(false);
});

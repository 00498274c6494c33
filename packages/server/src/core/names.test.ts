import { describe, expect, test } from "vitest";
import { isValidName, makeId, nameMapping } from "./names.ts";

describe("ids", () => {
  test("are valid names and differ", () => {
    const ids = new Set(Array.from({ length: 1000 }, makeId));
    expect(ids.size).toBe(1000);
    for (const id of ids) expect(isValidName(id)).toBe(true);
  });

  test.each([
    ["a", true],
    ["a-1", true],
    ["x".repeat(63), true],
    ["x".repeat(64), false],
    ["", false],
    ["-a", false],
    ["a-", false],
    ["A", false],
    ["a.b", false],
    ["a_b", false],
    ["..", false],
    ["a/b", false],
    ["a%2fb", false],
    ["é", false],
    ["a\n", false],
    ["a\u0000", false],
  ])("%j as a name: %j", (name, valid) => {
    expect(isValidName(name)).toBe(valid);
  });
});

describe("the service prefix", () => {
  const mapping = nameMapping("spawner-");

  test("is put before an id and taken off a name", () => {
    expect(mapping.nameOf("b4x")).toBe("spawner-b4x");
    expect(mapping.idOf("spawner-b4x")).toBe("b4x");
    expect(mapping.idOf("other")).toBeUndefined();
    expect(mapping.idOf("spawner-api")).toBeUndefined();
  });

  test.each(["", "..", "api", "healthz", "_spawner", "B4X", "b4x ", "x".repeat(60)])("id %j names no backend", (id) => {
    expect(mapping.nameOf(id)).toBeUndefined();
  });

  test("that cannot start a name is refused", () => {
    expect(() => nameMapping("Bad_")).toThrow(/"Bad_" cannot start a name/);
    expect(nameMapping("").nameOf("b4x")).toBe("b4x");
  });
});

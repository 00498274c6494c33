import { expect, test } from "vitest";
import { formatSigningKeys, makeSigningKey, parseSigningKeys } from "./signing-keys.ts";

const secret = "s".repeat(43);

test("keys are read back as they were written, in their order", () => {
  const keys = [makeSigningKey(new Date("2026-01-31")), { id: "old", secret }];
  expect(keys[0]?.id).toBe("2026-01-31");
  expect(parseSigningKeys(`# newest first\n\n${formatSigningKeys(keys)}`)).toEqual(keys);
  expect(parseSigningKeys("")).toEqual([]);
});

test.each([
  ["no secret", "a"],
  ["too short a secret", "a:short"],
  ["an id that no header takes", `a b:${secret}`],
  ["one id twice", `a:${secret}\na:${secret}`],
])("%s is refused by its line, and not told", (_, text) => {
  expect(() => parseSigningKeys(`# c\n${text}`)).toThrow(/^Line [23] of the signing keys cannot be used: /);
  expect(() => parseSigningKeys(`# c\n${text}`)).not.toThrow(/short|sss/);
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { idOfKey } from "./keyed-id.ts";
import { isValidName, nameMapping } from "./names.ts";

test("a key has one id, which another release must give it as well", () => {
  expect(idOfKey("doc-42")).toBe(idOfKey("doc-42"));
  expect(idOfKey("doc-42")).toBe("rx45jjp2fp7x2f7fz8mxj2sp");
});

/** Any text without surrogates; fast-check's own "binary" takes seconds to begin with. */
const keys = fc
  .array(fc.integer({ min: 1, max: 0xd7_ff }), { maxLength: 30 })
  .map((codes) => String.fromCodePoint(...codes));

test("every key has an id that can name a backend, and no two share one", () => {
  const { nameOf } = nameMapping("spawner-");
  fc.assert(
    fc.property(keys, keys, (a, b) => {
      expect(isValidName(idOfKey(a))).toBe(true);
      expect(nameOf(idOfKey(a))).toBe(`spawner-${idOfKey(a)}`);
      expect(idOfKey(a) === idOfKey(b)).toBe(a === b);
    }),
  );
});

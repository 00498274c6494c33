import fc from "fast-check";
import { expect, test } from "vitest";
import { lastLines } from "./last-lines.ts";

test.each([
  ["", 3, ""],
  ["a", 1, "a"],
  ["a\n", 1, "a\n"],
  ["a\nb", 1, "b"],
  ["a\nb\n", 1, "b\n"],
  ["a\nb\nc\n", 2, "b\nc\n"],
  ["a\nb\nc\n", 9, "a\nb\nc\n"],
  ["a\n\n\n", 2, "\n\n"],
  ["\na\nb\n", 2, "a\nb\n"],
  ["\n", 1, "\n"],
  ["a\nb\n", 0, ""],
  ["\n", 0, ""],
])("the last lines of %j, %i of them, are %j", (text, count, expected) => {
  expect(lastLines(Buffer.from(text), count).toString()).toBe(expected);
});

test("the last lines are the end of the text, and as many as were asked for or all there are", () => {
  const line = fc.stringMatching(/^[ab]{0,3}$/);
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), fc.nat(8), fc.boolean(), (lines, count, terminated) => {
      const text = lines.join("\n") + (terminated && lines.length > 0 ? "\n" : "");
      const all = text === "" ? [] : text.replace(/\n$/, "").split("\n");
      const wanted = all.slice(Math.max(all.length - count, 0)).join("\n");
      const found = lastLines(Buffer.from(text), count).toString();
      expect(text.endsWith(found)).toBe(true);
      expect(found.replace(/\n$/, "")).toBe(wanted);
    }),
  );
});

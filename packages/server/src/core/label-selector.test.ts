import { expect, test } from "vitest";
import { formatLabelSelector, labelSelectorPattern, matchesLabels, parseLabelSelector } from "./label-selector.ts";

const pattern = new RegExp(labelSelectorPattern, "u");

test.each([
  ["team=maps", "team in (maps)", [{ kind: "in", label: "team", values: ["maps"] }]],
  ["team==maps", "team in (maps)", [{ kind: "in", label: "team", values: ["maps"] }]],
  ["team=", "team in ()", [{ kind: "in", label: "team", values: [""] }]],
  ["team!=maps", "team notin (maps)", [{ kind: "notIn", label: "team", values: ["maps"] }]],
  [
    "a.b/team in (x, y_1,Z.z)",
    "a.b/team in (x,y_1,Z.z)",
    [{ kind: "in", label: "a.b/team", values: ["x", "y_1", "Z.z"] }],
  ],
  ["team notin (x,)", "team notin (x,)", [{ kind: "notIn", label: "team", values: ["x", ""] }]],
  ["team", "team", [{ kind: "exists", label: "team" }]],
  ["!team", "!team", [{ kind: "absent", label: "team" }]],
  [
    "in in (in), notin,!a/in",
    "in in (in),notin,!a/in",
    [
      { kind: "in", label: "in", values: ["in"] },
      { kind: "exists", label: "notin" },
      { kind: "absent", label: "a/in" },
    ],
  ],
])("%s", (text, formatted, requirements) => {
  expect(text).toMatch(pattern);
  expect(parseLabelSelector(text)).toEqual(requirements);
  expect(formatLabelSelector(parseLabelSelector(text))).toBe(formatted);
});

test.each([
  ["", "nothing"],
  [",", "an empty requirement"],
  ["a,", "a comma at the end"],
  ["=b", "no label"],
  ["a=b=c", "two values"],
  ["a b", "two words"],
  ["a in b", "a set without parentheses"],
  ["a in (b", "an open set"],
  ["a out (b)", "an unknown operator"],
  ["a>5", "an operator that labels have not"],
  ["!a=b", "both of two kinds"],
  ["-a=b", "a label that begins with a dash"],
  ["a=-b", "a value that begins with a dash"],
  [`${"a".repeat(64)}=b`, "a label that is too long"],
  [`a=${"b".repeat(64)}`, "a value that is too long"],
  ["A/b=c", "a prefix in capitals"],
  ["ä=b", "a letter that is none"],
  ["a=b\n", "a line end"],
])("%j is no selector: %s", (text) => {
  expect(text).not.toMatch(pattern);
});

test("a label that a backend has not is none of any values, and is not found in what all objects inherit", () => {
  const matches = (selector: string, labels: Record<string, string>) =>
    matchesLabels(parseLabelSelector(selector), labels);
  expect(matches("team!=maps", {})).toBe(true);
  expect(matches("team notin (maps)", { team: "maps" })).toBe(false);
  expect(matches("team=", {})).toBe(false);
  expect(matches("constructor", {})).toBe(false);
  expect(matches("!constructor", {})).toBe(true);
  expect(matchesLabels([], {})).toBe(true);
});

test("a long query is judged at once, also one that is none", () => {
  const long = `${"a.".repeat(8_000)}=`;
  const many = `${"a in (b,c),".repeat(2_000)}=`;
  const startMs = performance.now();
  for (const text of [long, many, `a in (${"b,".repeat(8_000)}`]) expect(text).not.toMatch(pattern);
  expect(performance.now() - startMs).toBeLessThan(500);
});

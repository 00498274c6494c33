import { expect, test } from "vitest";
import type { BackendSpec } from "./resource.ts";
import { runsTheSame } from "./spec-change.ts";

type Env = { name: string; value?: string }[];

const a = { name: "A", value: "1" };
const b = { name: "B", value: "2" };

function specOf(env: Env | undefined, rest: Partial<BackendSpec> = {}): BackendSpec {
  return { template: { containers: [{ image: "app:1", ...(env === undefined ? {} : { env }) }] }, ...rest };
}

test.each<[string, BackendSpec, BackendSpec]>([
  ["itself", specOf([a, b]), specOf([a, b])],
  ["its variables in another order", specOf([a, b]), specOf([b, a])],
  ["no variables, said so", specOf(undefined), specOf([])],
  ["a default, said so", specOf([a]), specOf([a], { httpPort: 8080 })],
  ["0.1.9's way to say the default", specOf([a]), specOf([a], { httpPort: null })],
  ["another user, who may have it by another key", specOf([a]), specOf([a], { user: "ada", key: "k" })],
  ["itself with a token asked for", specOf([a]), specOf([a], { requireToken: true })],
  ["itself that failed before", specOf([a]), specOf([a], { failuresBefore: 2 })],
  ["itself on its way to its end", specOf([a]), specOf([a], { stopRequested: true, stopReason: "Superseded" })],
  [
    "one with what only looks like a reference elsewhere",
    specOf([a, { name: "B", value: "$$(A)" }]),
    specOf([{ name: "B", value: "$$(A)" }, a]),
  ],
  ["itself that is to go when idle", specOf([a]), specOf([a], { stopWhenIdle: true })],
])("a spec runs the same as %s", (_, one, other) => {
  expect(runsTheSame(one, other)).toBe(true);
  expect(runsTheSame(other, one)).toBe(true);
});

test.each<[string, BackendSpec, BackendSpec]>([
  ["another value", specOf([a, b]), specOf([a, { ...b, value: "3" }])],
  ["one variable less", specOf([a, b]), specOf([a])],
  ["the other of two values of one name last", specOf([a, { ...a, value: "2" }]), specOf([{ ...a, value: "2" }, a])],
  [
    "a variable before the one whose value it takes",
    specOf([a, { name: "B", value: "$(A)" }]),
    specOf([{ name: "B", value: "$(A)" }, a]),
  ],
  [
    "a variable before the one whose value it takes, behind a sign of its own",
    specOf([a, { name: "B", value: "$$$(A)" }]),
    specOf([{ name: "B", value: "$$$(A)" }, a]),
  ],
  ["another image", specOf([a]), { template: { containers: [{ image: "app:2", env: [a] }] } }],
  ["a lifetime", specOf([a]), specOf([a], { lifetimeSeconds: 60 })],
  ["another grace period", specOf([a]), specOf([a], { gracePeriodSeconds: 1 })],
])("a spec does not run the same as one with %s", (_, one, other) => {
  expect(runsTheSame(one, other)).toBe(false);
  expect(runsTheSame(other, one)).toBe(false);
});

import { Type } from "typebox";
import { describe, expect, test } from "vitest";
import { isReservedEnvName } from "./environment.ts";
import { idOfKey } from "./keyed-id.ts";
import type { Backend, BackendSpec } from "./resource.ts";
import { invalidity, makeChecker, problemsOfSpec } from "./validation.ts";

const template = { containers: [{ image: "a" }] };
const withContainer = (container: object) => ({ template: { containers: [container] } });
const problemsOf = (spec: unknown) => problemsOfSpec(spec as BackendSpec);

describe("a spec that can be run", () => {
  test.each([
    ["with a container and nothing else", { template: { containers: [{}] } }],
    ["with 0.1.9's default port", { template, httpPort: null }],
    ["with any port that listens first", { template, httpPort: 0 }],
    ["with fields of a Pod that we do not know", { template: { ...template, tolerations: [{ key: "a" }] }, other: 1 }],
    ["with an environment", withContainer({ env: [{ name: "A b-c.D", value: "" }, { name: "E" }] })],
    ["with PORT in its environment, which is ours and wins", withContainer({ env: [{ name: "PORT", value: "1" }] })],
    [
      "with all durations at their least",
      { template, gracePeriodSeconds: 0, firstClientSeconds: 0, lifetimeSeconds: 1 },
    ],
  ])("%s has no problems", (_, spec) => {
    expect(problemsOf(spec)).toEqual([]);
  });
});

describe("what is wrong with a spec names the field, what is needed and what was given", () => {
  const container = "template.containers[0]";
  test.each([
    [{}, "template is missing"],
    [null, "spec must be an object; null was given"],
    [{ template: 1 }, "template must be an object; 1 was given"],
    [{ template: { containers: [] } }, "template.containers must have at least 1 item; [] was given"],
    [{ template: { containers: [3] } }, `${container} must be an object; 3 was given`],
    [{ template, gracePeriodSeconds: -1 }, "gracePeriodSeconds must be at least 0; -1 was given"],
    [{ template, gracePeriodSeconds: 1.5 }, "gracePeriodSeconds must be a whole number; 1.5 was given"],
    [{ template, gracePeriodSeconds: "5" }, 'gracePeriodSeconds must be a whole number; "5" was given'],
    [{ template, lifetimeSeconds: 0 }, "lifetimeSeconds must be at least 1; 0 was given"],
    [{ template, lifetimeSeconds: 1e9 }, "lifetimeSeconds must be at most 315360000; 1000000000 was given"],
    [
      { template, terminationGracePeriodSeconds: 86_401 },
      "terminationGracePeriodSeconds must be at most 86400; 86401 was given",
    ],
    [{ template, httpPort: 65_536 }, "httpPort must be at most 65535; 65536 was given"],
    [{ template, httpPort: "80" }, 'httpPort must be a whole number; "80" was given'],
    [{ template, stopRequested: "yes" }, 'stopRequested must be a boolean; "yes" was given'],
    [withContainer({ image: "" }), `${container}.image must not be empty; "" was given`],
    [withContainer({ command: "sh" }), `${container}.command must be an array; "sh" was given`],
    [withContainer({ args: [1] }), `${container}.args[0] must be a string; 1 was given`],
    [withContainer({ env: [{}] }), `${container}.env[0].name is missing`],
    [
      withContainer({ env: [{ name: "A", value: 1 }] }),
      `${container}.env[0].value (of "A") must be a string; a number was given`,
    ],
    [
      withContainer({ env: [{ name: "SPAWNER_BACKEND", value: "x" }] }),
      `${container}.env: SPAWNER_BACKEND is set by Spawner itself and cannot be given`,
    ],
  ])("%j", (spec, problem) => {
    expect(problemsOf(spec)).toContain(problem);
  });

  test.each([
    ["an empty name", ""],
    ["a name with =", "A=B"],
    ["a name with a line break", "A\n"],
    ["a name beyond ASCII", "Ä"],
  ])("%s in the environment", (_, name) => {
    const [problem, ...others] = problemsOf(withContainer({ env: [{ name }] }));
    expect(problem).toContain(`${container}.env[0].name must be printable ASCII without "="`);
    expect(problem).toContain(`${JSON.stringify(name)} was given`);
    expect(others).toEqual([]);
  });

  test.each([
    [[{ name: "A", value: "secret\u0000" }], `${container}.env[0].value (of "A") must not have a zero byte; a string`],
    [[{ name: "A", value: ["secret"] }], `${container}.env[0].value (of "A") must be a string; an array`],
    [[{ name: "A" }, "B=secret"], `${container}.env[1] must be an object; a string`],
    ["A=secret", `${container}.env must be an array; a string`],
    [{ A: "secret" }, `${container}.env must be an array; an object`],
  ])("a value in the environment may be a secret, and is told in no message: %j", (env, problem) => {
    expect(problemsOf(withContainer({ env }))).toEqual([`${problem} was given`]);
  });

  test("a variable may have as many bytes as Linux hands to a program, its name counted, and no more", () => {
    const problems = (value: string) => problemsOf(withContainer({ env: [{ name: "A" }, { name: "K", value }] }));
    expect(problems("x".repeat(131_069))).toEqual([]);
    expect(problems("x".repeat(131_070))).toEqual([
      `${container}.env[1].value (of "K") must have at most 131071 bytes as NAME=value; 131072 were given`,
    ]);
    expect(problems("é".repeat(65_535))).toHaveLength(1);
  });

  test("all variables together have a limit too", () => {
    const env = (bytes: number) => Array.from({ length: 16 }, () => ({ name: "A", value: "x".repeat(bytes) }));
    expect(problemsOf(withContainer({ env: env(65_533) }))).toEqual([]);
    expect(problemsOf(withContainer({ env: env(65_534) }))).toEqual([
      `${container}.env must have at most 1048576 bytes in all, as NAME=value and a byte each; 1048592 were given`,
    ]);
  });

  test("half a surrogate pair, which is no text, is refused in a value, and the value not told", () => {
    expect(problemsOf(withContainer({ env: [{ name: "A", value: "secret\udc00" }] }))).toEqual([
      `${container}.env[0].value (of "A") must be Unicode, without half a surrogate pair; a string was given`,
    ]);
    expect(problemsOf(withContainer({ env: [{ name: "A", value: "\u{1f600}" }] }))).toEqual([]);
  });

  test("in any container, since each is started with its own", () => {
    const containers = [{}, { env: [{ name: "A", value: "\ud800" }] }];
    expect(problemsOf({ template: { containers } })).toEqual([
      expect.stringMatching(/^template\.containers\[1\]\.env\[0\]/),
    ]);
  });

  test.each([70_000, "secret", 1.5, true])("a port that is %j has one problem", (httpPort) => {
    expect(problemsOf({ template, httpPort })).toEqual([expect.stringMatching(/^httpPort must be (at most|a whole)/)]);
  });

  test("a long value is cut, and its length said", () => {
    const [problem = ""] = problemsOf(withContainer({ image: "x".repeat(600) }));
    expect(problem).toMatch(/image must have at most 512 characters; "x{59}… \(602 characters\) was given$/);
  });

  test("names that are unknown are cut as well, and so is their list", () => {
    const check = makeChecker(Type.Object({ a: Type.Optional(Type.String()) }, { additionalProperties: false }), {
      whole: "the body",
    });
    expect(check({ ["x".repeat(600)]: 1 })).toEqual([
      `unknown field "${"x".repeat(59)}… (602 characters); known are a`,
    ]);
    expect(check({ b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1 })).toEqual([
      'unknown field "b", "c", "d", "e", "f" and 2 more; known are a',
    ]);
  });

  test("many problems are summed up", () => {
    const problems = problemsOf({
      template,
      gracePeriodSeconds: -1,
      firstClientSeconds: -1,
      lifetimeSeconds: -1,
      startupTimeoutSeconds: -1,
      terminationGracePeriodSeconds: -1,
      stopRequested: 1,
    });
    expect(problems).toHaveLength(6);
    expect(problems.at(-1)).toBe("and 1 more");
  });
});

const metadata = { name: "b", uid: "u", resourceVersion: "1", creationTimestamp: "", labels: {} };
const backend = (spec: BackendSpec): Backend => ({ metadata, spec, status: {} });

test("what is wrong with a stored backend is one sentence", () => {
  expect(invalidity(backend({ template }))).toBeUndefined();
  expect(invalidity(backend({ template, gracePeriodSeconds: -1, lifetimeSeconds: 0 }))).toBe(
    "The spec cannot be run: gracePeriodSeconds must be at least 0; -1 was given; lifetimeSeconds must be at least 1; 0 was given.",
  );
});

test("a backend of a key has the name that the key gives, in any service's names", () => {
  const key = "document 42";
  const named = (name: string) => invalidity({ ...backend({ template, key }), metadata: { ...metadata, name } });
  expect(named(`spawner-${idOfKey(key)}`)).toBeUndefined();
  expect(named(idOfKey(key))).toBeUndefined();
  for (const name of ["b", `spawner-${idOfKey("document 43")}`, `${idOfKey(key)}x`]) {
    expect(named(name)).toBe(
      `The spec cannot be run: key: the name of its backend must end with ${idOfKey(key)}; "${name}" was given.`,
    );
  }
});

test.each([
  ["PORT", true],
  ["SPAWNER_BACKEND", true],
  ["SPAWNER_", true],
  ["SPAWNER", false],
  ["port", false],
  ["MY_PORT", false],
])("the name %s is ours: %s", (name, reserved) => {
  expect(isReservedEnvName(name)).toBe(reserved);
});

describe("a closed schema", () => {
  const check = makeChecker(
    Type.Object({ image: Type.String(), port: Type.Optional(Type.Integer()) }, { additionalProperties: false }),
    { whole: "the body" },
  );

  test.each([
    [{ image: "a" }, []],
    [{ image: "a", imagee: 1 }, ['unknown field "imagee"; known are image, port']],
    [{}, ["image is missing"]],
    ["a", ['the body must be an object; "a" was given']],
  ])("%j", (value, problems) => {
    expect(check(value)).toEqual(problems);
  });
});

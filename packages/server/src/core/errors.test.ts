import { errorCodes } from "@spawner/client";
import { describe, expect, test } from "vitest";
import { makeErrorAnswer } from "./error-body.ts";
import { httpStatusOf, isSpawnerError, SpawnerError } from "./errors.ts";

test("every error code has one HTTP status, that of an error", () => {
  expect(Object.keys(httpStatusOf).sort()).toEqual([...errorCodes].sort());
  for (const status of Object.values(httpStatusOf)) {
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
  }
});

describe("an error is recognized", () => {
  const error = new SpawnerError("conflict", "read it again", { cause: "somebody" });
  test.each([
    ["as one of ours", error, [], true],
    ["by its code", error, ["conflict"], true],
    ["by one of several codes", error, ["not_found", "conflict"], true],
    ["not by another code", error, ["not_found"], false],
    ["not where it is another's", Object.assign(new Error("x"), { code: "conflict" }), ["conflict"], false],
    ["not where it is none", "conflict", ["conflict"], false],
  ] as const)("%s", (_, value, codes, expected) => {
    expect(isSpawnerError(value, ...codes)).toBe(expected);
  });

  test("with its name, message and cause", () => {
    expect(error).toMatchObject({ name: "SpawnerError", message: "read it again", cause: "somebody" });
    expect(error).toBeInstanceOf(Error);
  });
});

describe("an error as an answer", () => {
  test.each(errorCodes)("%s has its status, its code and an id of its own", (code) => {
    const answers = [makeErrorAnswer(code, "why"), makeErrorAnswer(code, "why")];
    const bodies = answers.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
    for (const [index, body] of bodies.entries()) {
      expect(answers[index]?.status).toBe(httpStatusOf[code]);
      expect(body).toEqual({ id: expect.stringMatching(/./), code, message: "why" });
    }
    expect(new Set(bodies.map(({ id }) => id)).size).toBe(2);
  });
});

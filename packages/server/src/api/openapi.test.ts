import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { Validator } from "@seriousme/openapi-schema-validator";
import type { FastifyInstance } from "fastify";
import { describe, expect, test } from "vitest";
import { AnswerCheck } from "./conformance/answers.ts";
import type { JsonSchema } from "./conformance/document.ts";
import { startDocumented, withTokens } from "./conformance/documented-api.ts";
import type { TestApiOptions } from "./fixture.ts";

/** The API with every route that Fastify has of it: `GET /backend/:id`. */
async function startWithRoutes(options: TestApiOptions) {
  const routes: string[] = [];
  const onApp = (message: unknown) => {
    const { fastify } = message as { fastify: FastifyInstance };
    fastify.addHook("onRoute", ({ method, url }) => {
      routes.push(...[method].flat().map((each) => `${each} ${url}`));
    });
  };
  subscribe("fastify.initialization", onApp);
  try {
    return { ...(await startDocumented(options)), routes };
  } finally {
    unsubscribe("fastify.initialization", onApp);
  }
}

describe.each([
  ["with tokens", withTokens],
  ["for everybody", () => ({})],
] as const)("the document of an API %s", (_, options) => {
  test("is valid OpenAPI 3.1", async () => {
    const { document } = await startDocumented(options());
    const validator = new Validator();
    expect(await validator.validate({ ...document })).toEqual({ valid: true });
    expect(validator.version).toBe("3.1");
  });

  test("has every route that there is, and none else; every GET can be asked with HEAD", async () => {
    const { operations, routes } = await startWithRoutes(options());
    const documented = operations.map(({ method, path }) => `${method} ${path.replace(/\{(\w+)\}/g, ":$1")}`);
    const ofGets = documented.filter((route) => route.startsWith("GET ")).map((route) => route.replace("GET", "HEAD"));
    expect(routes.toSorted()).toEqual([...documented, ...ofGets].toSorted());
    expect(routes.length).toBeGreaterThan(20);
  });

  test("names each operation once, and refers to nothing that it does not have, nor has what it does not refer to", async () => {
    const { document, operations } = await startDocumented(options());
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const references = new Set(JSON.stringify(document).match(/(?<="\$ref":")[^"]+/g));
    const { schemas, responses } = document.components;
    const components = [
      ...Object.keys(schemas).map((name) => `#/components/schemas/${name}`),
      // The description says where this one is answered: at no operation.
      ...Object.keys(responses)
        .filter((name) => name !== "method_not_allowed")
        .map((name) => `#/components/responses/${name}`),
    ];
    expect([...references].toSorted()).toEqual(components.toSorted());
  });

  test("gives examples that are as it says", async () => {
    const { document } = await startDocumented(options());
    const check = new AnswerCheck(document);
    const withExamples = schemasIn(document);
    expect(withExamples.length).toBeGreaterThan(5);
    for (const schema of withExamples) {
      for (const example of schema.examples) expect([example, check.accepts(schema, example)]).toEqual([example, true]);
    }
  });
});

type Exemplified = JsonSchema & { readonly examples: readonly unknown[] };

/** Every schema that has examples. */
function schemasIn(value: unknown): Exemplified[] {
  if (typeof value !== "object" || value === null) return [];
  const inside = Object.entries(value).flatMap(([key, each]) => (key === "examples" ? [] : schemasIn(each)));
  return "examples" in value && Array.isArray(value.examples) ? [value as Exemplified, ...inside] : inside;
}

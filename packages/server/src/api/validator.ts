import type { FastifySchemaCompiler } from "fastify";
import type { TSchema } from "typebox";
import { SpawnerError } from "../core/errors.ts";
import { labelSelectorPattern } from "../core/label-selector.ts";
import { envPatternNeeds, makeChecker, type PatternNeeds } from "../core/validation.ts";
import { keyPattern, userPattern } from "./schemas.ts";

const wholes: Readonly<Record<string, string>> = { body: "the body", querystring: "the query", params: "the path" };

const patternNeeds: PatternNeeds = {
  ...envPatternNeeds,
  [keyPattern]: "must be Unicode without a zero byte and without half a surrogate pair",
  [userPattern]: "must be printable ASCII, without a space at its beginning and end",
  [labelSelectorPattern]:
    "must be a label selector: name=value, name!=value, name in (a, b), name notin (a, b), name or !name is needed",
};

/** Makes every refusal of a request's parts by the one mechanism that all validation uses. */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart = "body" }) => {
  const whole = wholes[httpPart] ?? httpPart;
  const check = makeChecker(schema, { whole, patternNeeds });
  return (given: unknown) => {
    const value = httpPart === "querystring" ? coerce(given, schema) : given;
    const problems = check(value);
    if (problems.length === 0) return { value };
    return { error: new SpawnerError("invalid_request", `${problems.join("; ")}.`) };
  };
};

/** A query holds only strings: numbers, booleans and lists are read as the schema wants them, or left for it to refuse. */
function coerce(query: unknown, schema: TSchema): unknown {
  const properties = (schema as { properties?: Record<string, { type?: string }> }).properties ?? {};
  return Object.fromEntries(
    Object.entries(query as Record<string, unknown>).map(([name, value]) => {
      const type = properties[name]?.type;
      if (type === "integer" && typeof value === "string" && /^-?[0-9]{1,15}$/.test(value))
        return [name, Number(value)];
      if (type === "boolean" && (value === "true" || value === "false")) return [name, value === "true"];
      if (type === "array" && typeof value === "string") return [name, [value]];
      return [name, value];
    }),
  );
}

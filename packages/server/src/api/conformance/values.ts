import fc from "fast-check";
import type { JsonSchema } from "./document.ts";

/** Longest strings and lists that are made for schemas that would allow longer ones. */
const lengthMax = 30;

/** Values that a schema accepts. */
export function valuesOf(schema: JsonSchema): fc.Arbitrary<unknown> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case "boolean":
      return fc.boolean();
    case "integer":
      return fc.integer({ min: schema.minimum ?? 0, max: schema.maximum ?? 2 ** 31 - 1 });
    case "string":
      return stringsOf(schema);
    case "array":
      return fc.array(valuesOf(schema.items ?? {}), { maxLength: Math.min(schema.maxItems ?? 3, 3) });
    case "object":
      return objectsOf(schema);
    default:
      throw new Error(`no values are known for ${JSON.stringify(schema)}`);
  }
}

function stringsOf({ pattern, minLength = 0, maxLength = lengthMax }: JsonSchema): fc.Arbitrary<string> {
  if (pattern === undefined) {
    return fc.string({ minLength, maxLength: Math.min(maxLength, lengthMax), unit: "binary" });
  }
  const expression = new RegExp(pattern, "u");
  // The generator knows no assertions: what they forbid is left out afterwards.
  const plain = new RegExp(pattern.replace(/\(\?[!=][^)]*\)/g, ""), "u");
  return fc
    .stringMatching(plain, { size: "xsmall" })
    .filter((text) => expression.test(text) && [...text].length <= maxLength);
}

function objectsOf({
  properties,
  required = [],
  propertyNames,
  additionalProperties,
  minProperties = 0,
  maxProperties = Number.POSITIVE_INFINITY,
}: JsonSchema): fc.Arbitrary<object> {
  if (properties !== undefined) {
    const values = Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, valuesOf(schema)]));
    return fc
      .record(values, { requiredKeys: [...required], noNullPrototype: true })
      .filter((value) => Object.keys(value).length >= minProperties && Object.keys(value).length <= maxProperties);
  }
  if (propertyNames === undefined || typeof additionalProperties !== "object") return fc.constant({});
  const names = stringsOf(propertyNames);
  return fc.dictionary(names, valuesOf(additionalProperties), { maxKeys: 3, noNullPrototype: true });
}

/** Of each type, at the edges of what anybody accepts. */
const junk: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, 0, -1, 1.5, 1e300, 2 ** 53, "", "0", "\u0000", [], {}, [[]], "ä😀\u202e"),
  fc.string({ unit: "binary", maxLength: lengthMax }),
  fc.integer({ min: 1, max: 200 }).map((depth) => JSON.parse("[".repeat(depth) + "]".repeat(depth)) as unknown),
  fc.integer({ min: 500, max: 150_000 }).map((length) => "x".repeat(length)),
  fc.jsonValue({ maxDepth: 3 }),
);

/** A value that is accepted, but for one thing in it. */
export function nearlyValid(schema: JsonSchema, accepts: (value: unknown) => boolean): fc.Arbitrary<unknown> {
  const fields = Object.entries(schema.properties ?? {});
  const names = fields.map(([name]) => name);
  const inside = fields
    .filter(([, field]) => typeof field.additionalProperties === "object")
    .flatMap(([name]) => ["A", "A=B", "", "PORT", "SPAWNER_X", "ä", "\n", "constructor"].map((inner) => [name, inner]));
  const places = fc.constantFrom<readonly string[]>(
    [],
    ["extra"],
    ["Image"],
    ...names.map((name) => [name]),
    ...inside,
  );
  return fc
    .tuple(valuesOf(schema), places, junk)
    .map(([value, [name, inner], odd]) => {
      if (name === undefined) return odd;
      const put = inner === undefined ? odd : { [inner]: odd };
      return { ...(value as object), [name]: put };
    })
    .filter((value) => !accepts(value));
}

import fc from "fast-check";
import type { AnswerCheck } from "./answers.ts";
import type { JsonSchema, Operation, Parameter } from "./document.ts";
import { nearlyValid, valuesOf } from "./values.ts";

/** A request for an operation of the document, of which only the backend is still open. */
export interface Ask {
  readonly kind: "ask";
  readonly operationId: string;
  /** Asks with HEAD in the place of GET. */
  readonly isHead: boolean;
  /** Undefined: one of the backends that were started before, by `which`. */
  readonly oddId: string | undefined;
  readonly which: number;
  readonly token: "good" | "bad" | "none";
  readonly query: readonly Pair[];
  readonly headers: readonly Pair[];
  readonly body: string | undefined;
  /** Whether the document says that it must be refused, wherever it is sent to. */
  readonly isFaulty: boolean;
}

type Pair = readonly [name: string, value: string];
type Parts = Pick<Ask, "query" | "headers" | "body">;

export function asksFor(operation: Operation, check: AnswerCheck): fc.Arbitrary<Ask> {
  const faulty = faultyParts(operation, check);
  const parts = fc.oneof(
    { arbitrary: validParts(operation).map((made) => ({ made, isFaulty: false })), weight: 2 },
    ...faulty.map((arbitrary) => ({ arbitrary: arbitrary.map((made) => ({ made, isFaulty: true })), weight: 1 })),
  );
  return fc
    .record({
      parts,
      isHead: fc.boolean(),
      oddId: fc.oneof({ arbitrary: fc.constant(undefined), weight: 5 }, oddIds),
      which: fc.nat(),
      token: fc.oneof(
        { arbitrary: fc.constant("good" as const), weight: 6 },
        fc.constantFrom("bad" as const, "none" as const),
      ),
    })
    .map(({ parts: { made, isFaulty }, isHead, ...rest }) => ({
      kind: "ask" as const,
      operationId: operation.operationId,
      isHead: isHead && operation.method === "GET",
      ...made,
      isFaulty,
      ...rest,
    }));
}

/** Ids that no backend has. */
const oddIds = fc.oneof(
  fc.constantFrom(
    "",
    ".",
    "..",
    "-",
    "api",
    "healthz",
    "_spawner",
    "B4XK2M9QVD",
    "b4xk2m9qvd",
    "a/b",
    "a%2fb",
    "%",
    "\r\nx: y",
  ),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.integer({ min: 64, max: 1_000 }).map((length) => "x".repeat(length)),
);

function validParts({ parameters, body }: Operation): fc.Arbitrary<Parts> {
  return fc
    .record({
      query: sequence(parameters.filter((each) => each.in === "query").map(validPairs)).map(withoutPaging),
      headers: sequence(parameters.filter((each) => each.in === "header").map(validHeader)),
      body:
        body === undefined
          ? fc.constant(undefined)
          : valuesOf(withKnownValues(body)).map((value) => JSON.stringify(value)),
    })
    .map(({ headers, ...rest }) => ({
      ...rest,
      headers: body === undefined ? headers : [...headers, ["content-type", "application/json"] as const],
    }));
}

/**
 * Which images and templates there are, and which tokens were handed out, is no part of the document; and whether a backend becomes ready
 * is not the API's doing, so that nobody waits for that. One machine lets nobody choose a port.
 */
const knownValues: Readonly<Record<string, JsonSchema | undefined>> = {
  image: { enum: ["default"] },
  template: { enum: ["default"] },
  token: undefined,
  port: undefined,
  waitReady: { enum: [false] },
};

function withKnownValues(body: JsonSchema): JsonSchema {
  if (body.properties === undefined) return body;
  const properties = Object.entries(body.properties).flatMap(([name, schema]) => {
    const known = name in knownValues ? knownValues[name] : schema;
    return known === undefined ? [] : [[name, known] as const];
  });
  return { ...body, properties: Object.fromEntries(properties) };
}

/** What goes on a page only its predecessor has, and a watch has no pages. */
function withoutPaging(query: readonly Pair[]): readonly Pair[] {
  const isWatch = query.some(([name, value]) => name === "watch" && value === "true");
  return query.filter(([name]) => name !== "continue" && !(isWatch && name === "limit"));
}

function validPairs({ name, schema }: Parameter): fc.Arbitrary<Pair[]> {
  const texts =
    schema.type === "array"
      ? fc.array(valuesOf(schema.items ?? {}).map(String), { maxLength: 3 })
      : valuesOf(schema).map((value) => [String(value)]);
  return fc.option(texts, { nil: [] }).map((values) => values.map((value) => [name, value] as const));
}

const eventIds = fc.oneof(
  fc.constantFrom("x/Running", "/", "Ready", "00000000-0000-4000-8000-000000000000/Swept", "__proto__/__proto__"),
  fc.stringMatching(/^[!-~]{1,200}$/, { size: "small" }),
);

function validHeader({ name }: Parameter): fc.Arbitrary<Pair[]> {
  return fc.option(eventIds, { nil: undefined }).map((value) => (value === undefined ? [] : [[name, value] as const]));
}

function sequence<Item>(parts: readonly fc.Arbitrary<readonly Item[]>[]): fc.Arbitrary<Item[]> {
  return fc.tuple(...parts).map((lists) => lists.flat());
}

/** Valid but for one thing: each way of it is one arbitrary. */
function faultyParts(operation: Operation, check: AnswerCheck): fc.Arbitrary<Parts>[] {
  const { parameters, body } = operation;
  const valid = validParts(operation);
  const query = parameters.filter((each) => each.in === "query");
  const badQueries = query.length === 0 ? [] : [fc.constant([["extra", "1"] as const]), ...query.map(badPairs)];
  return [
    ...badQueries.map((bad) =>
      fc.tuple(valid, bad).map(([parts, pairs]) => ({
        ...parts,
        query: [...parts.query.filter(([name]) => !pairs.some(([other]) => other === name)), ...pairs],
      })),
    ),
    ...(body === undefined ? [] : [badBodies(valid, body, check), fc.tuple(valid, badTypes).map(withHeaders)]),
  ];
}

function badBodies(valid: fc.Arbitrary<Parts>, schema: JsonSchema, check: AnswerCheck): fc.Arbitrary<Parts> {
  const values = nearlyValid(schema, (value) => check.accepts(schema, value)).map((value) => JSON.stringify(value));
  const texts = fc.oneof(
    { arbitrary: values, weight: 4 },
    fc.constantFrom(
      '{"image":"default"',
      "{}{}",
      "{,}",
      "{'a':1}",
      "\ufffe{}",
      '{"__proto__":{}}',
      '{"constructor":{"prototype":{}}}',
      "NaN",
    ),
    fc.integer({ min: 33, max: 300_000 }).map((depth) => `{"image":${"[".repeat(depth)}${"]".repeat(depth)}}`),
    fc.integer({ min: 1024 * 1024, max: 1024 * 1024 + 10 }).map((length) => `{"image":"${"x".repeat(length)}"}`),
  );
  return fc.tuple(valid, texts).map(([parts, body]) => ({ ...parts, body }));
}

const badTypes = fc
  .constantFrom(
    undefined,
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/json, text/plain",
    ";",
    "application/jsonx",
    "multipart/form-data; boundary=x",
  )
  .map((type) => (type === undefined ? [] : [["content-type", type] as const]));

function withHeaders([parts, headers]: [Parts, Parts["headers"]]): Parts {
  return { ...parts, headers };
}

function badPairs({ name, schema }: Parameter): fc.Arbitrary<Pair[]> {
  const { minimum = 0, maximum = Number.MAX_SAFE_INTEGER } = schema;
  switch (schema.type) {
    case "integer": {
      const texts = [
        "",
        "abc",
        "1.5",
        "1e1",
        "0x1",
        "+1",
        " 1",
        "9".repeat(30),
        String(minimum - 1),
        String(maximum + 1),
      ];
      return fc.oneof(oneOf(name, texts), twice(name, "1"));
    }
    case "boolean":
      return fc.oneof(oneOf(name, ["", "yes", "1", "TRUE", "null"]), twice(name, "true"));
    case "array": {
      const texts = [
        "",
        "=",
        "=b",
        "a=b=c",
        "a=b,",
        "a in (b",
        "a b=c",
        "ä=b",
        "-a=b",
        "a=\u0000",
        `${"a".repeat(64)}=b`,
        "__proto__=b",
      ];
      return fc.oneof(
        oneOf(name, texts),
        fc.constant(Array.from({ length: (schema.maxItems ?? 0) + 1 }, (_, index): Pair => [name, `a${index}=1`])),
      );
    }
    default:
      return fc.oneof(oneOf(name, ["x".repeat((schema.maxLength ?? 0) + 1)]), twice(name, "x"));
  }
}

function oneOf(name: string, texts: readonly string[]): fc.Arbitrary<Pair[]> {
  return fc.constantFrom(...texts).map((text) => [[name, text]]);
}

function twice(name: string, text: string): fc.Arbitrary<Pair[]> {
  return fc.constant([[name, text] as const, [name, text] as const]);
}

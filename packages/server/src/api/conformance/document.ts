/** The parts of a JSON Schema that the document's requests are made of. */
export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: "object" | "array" | "string" | "integer" | "boolean";
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly propertyNames?: JsonSchema;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
}

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly schema: JsonSchema;
}

export interface DocumentedAnswer {
  readonly headers?: Readonly<Record<string, { readonly schema: JsonSchema }>>;
  readonly content?: Readonly<Record<string, { readonly schema?: JsonSchema }>>;
}

export interface Operation {
  readonly operationId: string;
  /** In capitals. */
  readonly method: string;
  /** `/backend/{id}`. */
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly body: JsonSchema | undefined;
  readonly needsToken: boolean;
  /** By status. */
  readonly answers: Readonly<Record<string, DocumentedAnswer>>;
}

type Referable<Value> = Value | { readonly $ref: string };

interface RawOperation {
  readonly operationId: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>> };
  readonly security?: readonly object[];
  readonly responses: Readonly<Record<string, Referable<DocumentedAnswer>>>;
}

/** An OpenAPI 3.1 document, as far as it is read here. */
export interface ApiDocument {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, RawOperation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly responses: Readonly<Record<string, DocumentedAnswer>>;
  };
}

/** Every operation of the document, with what it refers to in place. */
export function operationsOf(document: ApiDocument): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      operationId: operation.operationId,
      method: method.toUpperCase(),
      path,
      parameters: operation.parameters ?? [],
      body: operation.requestBody?.content["application/json"]?.schema,
      needsToken: (operation.security ?? []).length > 0,
      answers: Object.fromEntries(
        Object.entries(operation.responses).map(([status, answer]) => [status, resolve(document, answer)]),
      ),
    })),
  );
}

/** The error codes that an answer can have. */
export function codesOf(answer: DocumentedAnswer): string[] {
  const { allOf = [] } = (answer.content?.["application/json"]?.schema ?? {}) as { allOf?: readonly JsonSchema[] };
  return allOf.flatMap(({ properties }) => (properties?.code?.enum ?? []) as string[]);
}

function resolve({ components }: ApiDocument, answer: Referable<DocumentedAnswer>): DocumentedAnswer {
  if (!("$ref" in answer)) return answer;
  const found = components.responses[answer.$ref.replace("#/components/responses/", "")];
  if (found === undefined) throw new Error(`${answer.$ref} is not in the document`);
  return found;
}

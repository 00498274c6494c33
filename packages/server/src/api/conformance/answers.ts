import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { httpStatusOf } from "../../core/errors.ts";
import { type ApiDocument, codesOf, type DocumentedAnswer, type JsonSchema, type Operation } from "./document.ts";
import type { Answer } from "./raw-http.ts";

/** Says what about an answer is not as the document says, one sentence each. */
export class AnswerCheck {
  readonly #document: ApiDocument;
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });
  readonly #validators = new Map<object, ValidateFunction>();

  constructor(document: ApiDocument) {
    this.#document = document;
    addFormats.default(this.#ajv);
  }

  /** Of an answer to a request for this operation. */
  problemsAt(operation: Operation, answer: Answer, { isHead }: { isHead: boolean }): string[] {
    const documented = operation.answers[answer.status];
    if (documented === undefined) return [`${answer.status} is not documented at ${operation.operationId}`];
    return this.#problems(documented, answer, isHead);
  }

  /** Of an answer to a request that may be for no operation at all: a known error, or what some operation answers. */
  problemsOfAny(operations: readonly Operation[], answer: Answer, { isHead }: { isHead: boolean }): string[] {
    const candidates =
      answer.status >= 400
        ? Object.values(this.#document.components.responses).filter((each) =>
            codesOf(each).some((code) => (httpStatusOf as Record<string, number>)[code] === answer.status),
          )
        : operations.flatMap(({ answers }) => answers[answer.status] ?? []);
    const problems = candidates.map((each) => this.#problems(each, answer, isHead));
    if (problems.length === 0) return [`${answer.status} is documented nowhere`];
    return problems.some(({ length }) => length === 0) ? [] : (problems[0] ?? []);
  }

  /** Whether `value` is as this schema of the document wants it. */
  accepts(schema: JsonSchema, value: unknown): boolean {
    return this.#validatorOf(schema)(value);
  }

  #problems({ headers = {}, content }: DocumentedAnswer, answer: Answer, isHead: boolean): string[] {
    const problems = Object.entries(headers).flatMap(([name, { schema }]) => {
      const given = answer.headers[name.toLowerCase()];
      if (given === undefined) return [`the header ${name} is missing`];
      return this.accepts(schema, schema.type === "integer" ? Number(given) : given) ? [] : [`${name}: ${given}`];
    });
    const given = answer.headers["content-type"];
    if (content === undefined)
      return given === undefined && answer.body === "" ? problems : [...problems, "there is a body"];
    const mediaType = given?.replace(/; charset=utf-8$/, "") ?? "";
    const documented = content[mediaType];
    if (documented === undefined) return [...problems, `the content type is ${given}`];
    if (isHead) return answer.body === "" ? problems : [...problems, "HEAD was answered with a body"];
    return [...problems, ...this.#bodyProblems(mediaType, documented.schema ?? {}, answer)];
  }

  #bodyProblems(mediaType: string, schema: JsonSchema, answer: Answer): string[] {
    switch (mediaType) {
      case "application/json":
        if (!/^application\/json; charset=utf-8$/.test(answer.headers["content-type"] ?? "")) return ["no charset"];
        return this.#schemaProblems(schema, parseJson(answer.body));
      case "text/event-stream":
        return eventsIn(answer).flatMap((event) => this.#eventProblems(event));
      default:
        return this.#schemaProblems(schema, answer.body);
    }
  }

  #eventProblems(event: string): string[] {
    if (event === ":" || event === "event: synced\ndata: {}") return [];
    const [, backend] = /^event: (?:added|changed|deleted)\ndata: (.*)$/.exec(event) ?? [];
    if (backend !== undefined)
      return this.#schemaProblems({ $ref: "#/components/schemas/Backend" }, parseJson(backend));
    const [, state, data] = /^id: [0-9a-f-]{36}\/(\w+)\ndata: (.*)$/.exec(event) ?? [];
    if (data === undefined) return [`no event: ${JSON.stringify(event)}`];
    const status = parseJson(data) as { state?: unknown } | undefined;
    const problems = this.#schemaProblems({ $ref: "#/components/schemas/StatusMessage" }, status);
    return status?.state === state ? problems : [...problems, `the event's id says ${state}: ${data}`];
  }

  #schemaProblems(schema: JsonSchema, value: unknown): string[] {
    const validate = this.#validatorOf(schema);
    return validate(value) ? [] : [this.#ajv.errorsText(validate.errors)];
  }

  #validatorOf(schema: JsonSchema): ValidateFunction {
    const known = this.#validators.get(schema);
    if (known !== undefined) return known;
    const made = this.#ajv.compile({ ...schema, components: this.#document.components });
    this.#validators.set(schema, made);
    return made;
  }
}

/** Those that came whole. */
function eventsIn({ body, isWhole }: Answer): string[] {
  const parts = body.split("\n\n");
  const rest = parts.pop();
  return isWhole && rest !== "" ? [...parts, rest ?? ""] : parts;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

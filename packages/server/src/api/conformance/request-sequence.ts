import type { AnswerCheck } from "./answers.ts";
import type { Ask } from "./asks.ts";
import type { Operation } from "./document.ts";
import { type Answer, exchange } from "./raw-http.ts";
import { ask, type ChangeKind, type Target } from "./target.ts";
import type { WildRequest } from "./wild-requests.ts";

export interface Change {
  readonly kind: ChangeKind;
  readonly which: number;
}

export type Step = Ask | WildRequest | Change;

export interface RequestSequenceDeps {
  readonly check: AnswerCheck;
  readonly operations: readonly Operation[];
  readonly onAnswer: (what: string) => void;
}

/** One sequence of requests, and which backends it has started. */
export class RequestSequence {
  readonly #target: Target;
  readonly #deps: RequestSequenceDeps;
  readonly #started: { readonly id: string; isKnown: boolean }[] = [];

  constructor(target: Target, deps: RequestSequenceDeps) {
    this.#target = target;
    this.#deps = deps;
  }

  /** Starts two backends, one of them ready, so that there is something to ask about. */
  async open(): Promise<void> {
    for (let count = 0; count < 2; count++) this.#remember(await ask(this.#target, "POST /spawn", "{}"));
    await this.#change({ kind: "advance", which: 0 });
  }

  /** Rejects where a request is not answered as the document says. */
  async take(step: Step): Promise<void> {
    switch (step.kind) {
      case "ask":
        return this.#ask(step);
      case "wild":
        return this.#send(step);
      case "advance":
      case "end":
      case "forget":
        return this.#change(step);
      default:
        return step satisfies never;
    }
  }

  /** Leaves nothing behind. */
  async clear(): Promise<void> {
    for (const { id, isKnown } of this.#started) if (isKnown) await this.#target.change("forget", id);
  }

  async #change({ kind, which }: Change): Promise<void> {
    const backend = this.#pick(which);
    if (backend?.isKnown !== true) return;
    if (kind === "forget") backend.isKnown = false;
    await this.#target.change(kind, backend.id);
  }

  async #ask(ask: Ask): Promise<void> {
    const { check, onAnswer } = this.#deps;
    const { isHead } = ask;
    const operation = this.#operationOf(ask);
    const backend = ask.oddId === undefined ? this.#pick(ask.which) : undefined;
    const head = this.#headOf(operation, ask, ask.oddId ?? backend?.id ?? "b4xk2m9qvd");
    const answer = await exchange(this.#target.port, Buffer.from(`${head}${ask.body ?? ""}`), { isHead });
    onAnswer(`${operation.operationId} ${answer.status}`);
    const problems = [
      ...check.problemsAt(operation, answer, { isHead }),
      ...this.#statusProblems(operation, ask, { status: answer.status, isKnown: backend?.isKnown ?? false }),
    ];
    if (problems.length > 0) throw new Error(`${problems.join("; ")}\n${head}\n${describe(answer)}`);
    this.#remember(answer);
  }

  async #send({ method, target, which, lines, body }: WildRequest): Promise<void> {
    const { check, operations, onAnswer } = this.#deps;
    const { port, prefix, token } = this.#target;
    const fill = (text: string) =>
      text.replaceAll("{prefix}", prefix).replaceAll("{id}", this.#pick(which)?.id ?? "b4x");
    const credentials = token === undefined ? [] : [`authorization: Bearer ${token}`];
    const head = [`${method} ${fill(target)}`, ...credentials, ...lines, "", ""].join("\r\n");
    const isHead = method === "HEAD";
    const answer = await exchange(port, Buffer.concat([Buffer.from(head, "latin1"), body]), { isHead });
    onAnswer(`wild ${answer.status}`);
    const problems = check.problemsOfAny(operations, answer, { isHead });
    if (answer.status === 500) problems.push("500");
    if (problems.length > 0) throw new Error(`${problems.join("; ")}\n${head}\n${describe(answer)}`);
    this.#remember(answer);
  }

  #operationOf({ operationId }: Ask): Operation {
    const found = this.#deps.operations.find((each) => each.operationId === operationId);
    if (found === undefined) throw new Error(`there is no operation ${operationId}`);
    return found;
  }

  #headOf(operation: Operation, { isHead, token, query, headers, body }: Ask, id: string): string {
    const { prefix, token: good } = this.#target;
    const path = operation.path.replace("{id}", encodeURIComponent(id));
    const pairs = query.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
    const credentials = { good: good ?? "not-needed", bad: "0123456789-of-no-use", none: undefined }[token];
    return [
      `${isHead ? "HEAD" : operation.method} ${prefix}${path}${pairs.length > 0 ? `?${pairs.join("&")}` : ""} HTTP/1.1`,
      "host: 127.0.0.1",
      ...(credentials === undefined ? [] : [`authorization: Bearer ${credentials}`]),
      ...headers.map(([name, value]) => `${name}: ${value}`),
      ...(body === undefined ? [] : [`content-length: ${Buffer.byteLength(body)}`]),
      "",
      "",
    ].join("\r\n");
  }

  /** Beyond what the document allows: what this very request must be answered with. */
  #statusProblems(operation: Operation, ask: Ask, { status, isKnown }: { status: number; isKnown: boolean }): string[] {
    const expected = this.#expectedStatuses(operation, ask, isKnown);
    return expected.includes(status) ? [] : [`${status} was answered, one of ${expected.join(", ")} is expected`];
  }

  #expectedStatuses(operation: Operation, { token, isFaulty, oddId }: Ask, isKnown: boolean): number[] {
    const hasId = operation.path.includes("{id}");
    // An id too long for any backend is not looked at further.
    const tooLong = hasId && encodeURIComponent(oddId ?? "").length > 200 ? [404] : [];
    if (operation.needsToken && this.#target.token !== undefined && token !== "good") return [401, ...tooLong];
    if (isFaulty) return [400, 413, 415, ...tooLong];
    if (hasId) return isKnown ? [200, 202, 204, 302, 409, 410] : [404];
    return operation.method === "POST" ? [200, 429] : [200];
  }

  #remember({ status, body }: Answer): void {
    if (status !== 200 || !body.startsWith("{")) return;
    const { name, state, backend } = JSON.parse(body) as { name?: string; state?: string; backend?: string };
    // A backend's view has a state; what was started just now has none, or is what a connection is to.
    const id = backend ?? (state === undefined ? name : undefined);
    if (id !== undefined && !this.#started.some((known) => known.isKnown && known.id === id)) {
      this.#started.push({ id, isKnown: true });
    }
  }

  #pick(which: number) {
    return this.#started[which % Math.max(this.#started.length, 1)];
  }
}

function describe({ status, headers, body, isWhole }: Answer): string {
  return `${status} ${JSON.stringify(headers)} ${body.slice(0, 2_000)}${isWhole ? "" : " (not to its end)"}`;
}

import { type ErrorCode, errorCodes } from "@spawner/client";
import { describe, expect, test } from "vitest";
import { httpStatusOf, SpawnerError } from "../core/errors.ts";
import { AnswerCheck } from "./conformance/answers.ts";
import { codesOf, type Operation } from "./conformance/document.ts";
import { startDocumented, token, withTokens } from "./conformance/documented-api.ts";
import { exchange } from "./conformance/raw-http.ts";
import type { TestApiOptions } from "./fixture.ts";

/** What is in the way of any request: by what reads HTTP, by the store, by a gateway in between. */
const common: ErrorCode[] = [
  "invalid_request",
  "timeout",
  "head_too_large",
  "internal",
  "not_implemented",
  "upstream_failed",
  "upstream_timeout",
  "too_many_connections",
  "version_not_supported",
];
/** Beside those. */
const own: Readonly<Record<string, readonly ErrorCode[]>> = {
  spawnBackend: ["body_too_large", "unsupported_media_type", "too_many_backends", "unavailable"],
  connect: [
    "body_too_large",
    "unsupported_media_type",
    "already_exists",
    "conflict",
    "too_many_backends",
    "backend_ended",
    "unavailable",
  ],
  revokeConnections: ["not_found", "conflict", "body_too_large", "unsupported_media_type", "unavailable"],
  listBackends: ["unavailable"],
  getBackend: ["not_found", "unavailable"],
  stopBackend: ["not_found", "unavailable", "body_too_large", "unsupported_media_type"],
  getBackendLogs: ["not_found", "unavailable"],
  getMetrics: [],
  getBackendStatus: ["not_found", "unavailable"],
  streamBackendStatus: ["not_found", "unavailable"],
  checkBackendReady: ["not_found", "unavailable", "not_ready", "backend_ended"],
  checkHealth: [],
  checkReadiness: ["unavailable"],
  getDocument: [],
};
const control = [
  "spawnBackend",
  "connect",
  "revokeConnections",
  "listBackends",
  "getBackend",
  "stopBackend",
  "getBackendLogs",
  "getMetrics",
];

describe("the errors of each operation are those that it can answer with, and no others:", () => {
  const documented = (operations: readonly Operation[]) =>
    Object.fromEntries(
      operations.map(({ operationId, answers }) => [operationId, Object.values(answers).flatMap(codesOf).toSorted()]),
    );
  const expected = (more: (operationId: string) => readonly ErrorCode[]) =>
    Object.fromEntries(Object.entries(own).map(([id, codes]) => [id, [...common, ...codes, ...more(id)].toSorted()]));

  test("for everybody", async () => {
    const { operations } = await startDocumented();
    expect(documented(operations)).toEqual(expected(() => []));
  });

  test("with tokens", async () => {
    const { operations } = await startDocumented(withTokens());
    expect(documented(operations)).toEqual(
      expected((id) => (control.includes(id) ? ["unauthorized", "forbidden_role"] : [])),
    );
    expect(
      operations
        .filter(({ needsToken }) => needsToken)
        .map(({ operationId }) => operationId)
        .toSorted(),
    ).toEqual(control.toSorted());
  });

  test("where only some hosts are served", async () => {
    const { operations } = await startDocumented({ allowedHosts: ["127.0.0.1"] });
    expect(documented(operations)).toEqual(expected(() => ["forbidden_host"]));
  });

  test("each under the status that the code has", async () => {
    const { operations } = await startDocumented(withTokens());
    for (const { answers } of operations) {
      for (const [status, answer] of Object.entries(answers)) {
        for (const code of codesOf(answer))
          expect([code, `${httpStatusOf[code as ErrorCode]}`]).toEqual([code, status]);
        expect(codesOf(answer).length > 0).toBe(Number(status) >= 400);
      }
    }
  });
});

const refused = (error: Error) => () => Promise.reject(error);
const failing = (error: Error): NonNullable<TestApiOptions["store"]> => ({
  get: refused(error),
  list: refused(error),
  create: refused(error),
  watch: () => () => {},
});
const large = 2 * 1024 * 1024;

interface Provocation {
  readonly code: ErrorCode;
  /** The operations where it can be. */
  readonly at: (operation: Operation) => boolean;
  readonly options?: TestApiOptions;
  readonly version?: string;
  /** In the place of the fields that a good request has. */
  readonly fields?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const everywhere = () => true;
const goodBodyOf = ({ method, operationId }: Operation) =>
  method !== "POST" ? "" : operationId === "revokeConnections" ? '{"user":"ada"}' : "{}";
const takesBody = ({ method }: Operation) => method !== "GET";
const hasErrorOwn =
  (code: ErrorCode) =>
  ({ operationId }: Operation) =>
    own[operationId]?.includes(code) === true;
const provocations: readonly Provocation[] = [
  { code: "invalid_request", at: everywhere, fields: { host: "127.0.0.1\r\nhost: b" } },
  { code: "forbidden_host", at: everywhere, fields: { host: "b" } },
  { code: "head_too_large", at: everywhere, fields: { x: "y".repeat(20_000) } },
  { code: "not_implemented", at: everywhere, fields: { "transfer-encoding": "gzip, chunked" }, body: "0\r\n\r\n" },
  { code: "version_not_supported", at: everywhere, version: "2.0" },
  { code: "unauthorized", at: ({ operationId }) => control.includes(operationId), fields: { authorization: "" } },
  { code: "not_found", at: hasErrorOwn("not_found") },
  {
    code: "unavailable",
    at: hasErrorOwn("unavailable"),
    options: { store: failing(new SpawnerError("unavailable", "The store is away.")) },
  },
  {
    code: "internal",
    at: ({ operationId }) => own[operationId]?.includes("unavailable") === true && operationId !== "checkReadiness",
    options: { store: failing(new TypeError("a bug")) },
  },
  { code: "body_too_large", at: takesBody, fields: { "content-length": String(large) } },
  {
    code: "unsupported_media_type",
    at: takesBody,
    fields: { "content-type": "text/plain", "content-length": "2" },
    body: "{}",
  },
  { code: "too_many_backends", at: hasErrorOwn("too_many_backends"), options: { backendsMax: 0 } },
];

describe("each error can be had, and is answered as documented:", () => {
  test.each(provocations)("$code", async ({ code, at, options, version = "1.1", fields = {}, body }) => {
    const api = await startDocumented({ ...withTokens(), allowedHosts: ["127.0.0.1"], ...options });
    const check = new AnswerCheck(api.document);
    const operations = api.operations.filter(at);
    expect(operations.length).toBeGreaterThan(0);
    for (const operation of operations) {
      const sent = body ?? goodBodyOf(operation);
      const head = {
        host: "127.0.0.1",
        authorization: `Bearer ${token}`,
        ...(sent === "" || fields["transfer-encoding"] !== undefined ? {} : { "content-length": String(sent.length) }),
        ...(takesBody(operation) ? { "content-type": "application/json" } : {}),
        ...fields,
      };
      const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}`);
      const line = `${operation.method} ${operation.path.replace("{id}", "b4xk2m9qvd")} HTTP/${version}`;
      const request = Buffer.from(`${[line, ...lines].join("\r\n")}\r\n\r\n${sent}`);
      const answer = await exchange(api.port, request, { isHead: false });
      expect([operation.operationId, answer.status, JSON.parse(answer.body)]).toEqual([
        operation.operationId,
        httpStatusOf[code],
        { id: expect.any(String), code, message: expect.any(String) },
      ]);
      expect(check.problemsAt(operation, answer, { isHead: false })).toEqual([]);
    }
  });
});

test("codes that are documented nowhere are those of other surfaces", async () => {
  const { document } = await startDocumented({ ...withTokens(), allowedHosts: ["127.0.0.1"] });
  const documented = new Set(Object.values(document.components.responses).flatMap(codesOf));
  // A gateway's, and a relay host's.
  expect(errorCodes.filter((code) => !documented.has(code))).toEqual([
    "too_many_waiting",
    "forbidden_origin",
    "misdirected",
  ]);
});

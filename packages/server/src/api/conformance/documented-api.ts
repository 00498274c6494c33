import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { startApi, type TestApiOptions } from "../fixture.ts";
import { operationsOf } from "./document.ts";
import { documentOf } from "./target.ts";

export const token = "only-for-tests-0123456789";

/** An API that takes `token` alone. */
export function withTokens(): Required<Pick<TestApiOptions, "auth">> {
  const folder = mkdtempSync(join(tmpdir(), "spawner-tokens-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const tokensFile = join(folder, "tokens");
  writeFileSync(tokensFile, `${token}\n`, { mode: 0o600 });
  return { auth: { kind: "tokens", tokensFile } };
}

/** The API of the fixture, with what its document says. */
export async function startDocumented(options: TestApiOptions = {}) {
  const api = await startApi(options);
  const document = await documentOf({ port: api.port, prefix: "", token: undefined });
  return { ...api, document, operations: operationsOf(document) };
}

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { startApi } from "../fixture.ts";
import { type ChangeKind, documentOf, type Target } from "./target.ts";

const token = "only-for-tests-0123456789";

/** The API alone, gone with the test: the test says what becomes of backends. */
export async function startApiTarget(auth: "tokens" | "anonymous"): Promise<Target> {
  const api = await startApi({
    auth: auth === "tokens" ? { kind: "tokens", tokensFile: writeTokens() } : { kind: "anonymous" },
    allowedHosts: ["127.0.0.1"],
    backendsMax: 3,
  });
  const change = async (kind: ChangeKind, id: string) => {
    if (kind === "advance") await api.reach(id, "Constructed", "Scheduled", "Running", "Ready");
    else if (kind === "end") await api.end(id, "Idle");
    else await api.forget(id);
  };
  const address = { port: api.port, prefix: "", token: auth === "tokens" ? token : undefined };
  return { ...address, document: await documentOf(address), change };
}

function writeTokens(): string {
  const folder = mkdtempSync(join(tmpdir(), "spawner-tokens-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "tokens");
  writeFileSync(path, `${token}\n`, { mode: 0o600 });
  return path;
}

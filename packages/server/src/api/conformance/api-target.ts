import { startDocumented, token, withTokens } from "./documented-api.ts";
import type { ChangeKind, Target } from "./target.ts";

/** The API alone, gone with the test: the test says what becomes of backends. */
export async function startApiTarget(auth: "tokens" | "anonymous"): Promise<Target> {
  const api = await startDocumented({
    ...(auth === "tokens" ? withTokens() : {}),
    allowedHosts: ["127.0.0.1"],
    backendsMax: 3,
  });
  const change = async (kind: ChangeKind, id: string) => {
    if (kind === "advance") await api.reach(id, "Constructed", "Scheduled", "Running", "Ready");
    else if (kind === "end") await api.end(id, "Idle");
    else await api.forget(id);
  };
  return {
    port: api.port,
    prefix: "",
    token: auth === "tokens" ? token : undefined,
    document: api.document,
    change,
  };
}

import type { SpawnRequest, SpawnResponse } from "@spawner/client";

/** Starts a session by the API behind the gateway at `url`. Rejects with what is said where it is refused. */
export async function spawnSession(url: string, request: SpawnRequest = {}): Promise<Required<SpawnResponse>> {
  const response = await fetch(`${url}/api/spawn`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(request),
  });
  if (!response.ok) throw new Error(`no session: ${response.status} ${await response.text()}`);
  return (await response.json()) as Required<SpawnResponse>;
}

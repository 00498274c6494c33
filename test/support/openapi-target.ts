import { documentOf, type Target } from "../../packages/server/src/api/conformance/target.ts";
import { startEmbedded } from "./embedded.ts";

/** The API behind the gateway of a whole Spawner, whose backends are real processes that never listen; gone with the test. */
export async function startEmbeddedTarget(): Promise<Target> {
  const embedded = await startEmbedded({
    template: { command: ["sleep", "600"], cwd: "/" },
    gracePeriodSeconds: 300,
    backendsMax: 3,
    recordsMax: 10_000,
  });
  const address = { port: embedded.port, prefix: "/api", token: undefined };
  const change: Target["change"] = async (kind, id) => {
    const backend = await embedded.engine.backends.get(`spawner-${id}`);
    if (backend === undefined || kind === "advance") return; // it goes on by itself
    const { name, uid } = backend.metadata; // whatever its version: the controller writes too
    if (kind === "end") await embedded.engine.backends.requestStop({ name, uid });
    else await embedded.engine.backends.delete({ name, uid });
  };
  return { ...address, document: await documentOf(address), change };
}

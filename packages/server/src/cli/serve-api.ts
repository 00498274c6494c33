import { type Auth, run } from "../api/index.ts";
import { deadlines } from "../core/deadlines.ts";
import { aborted } from "../lib/aborted.ts";
import { pause } from "../lib/pause.ts";
import type { ApiFlags } from "./api.ts";
import { explainListenFailure } from "./listen-failure.ts";
import { UsageError } from "./report-failure.ts";
import { runRole } from "./role-process.ts";

/** How long requests in flight may take to be answered when the process is to end. */
const quiesceMs = 10_000;

/** Serves until a signal asks this process to end. */
export async function serveApi(flags: ApiFlags): Promise<void> {
  const { host, port, servicePrefix, apiServerBase, urlTemplate, backendsMax, userBackendsMax, images } = flags;
  const config = {
    host,
    port,
    servicePrefix,
    auth: authOf(flags),
    ...(apiServerBase === undefined ? {} : { apiServerBase }),
    ...(urlTemplate === undefined ? {} : { urlTemplate }),
    ...(backendsMax === undefined ? {} : { backendsMax }),
    ...(userBackendsMax === undefined ? {} : { userBackendsMax }),
    ...(images === undefined ? {} : { images }),
    compat: flags.compat ?? false,
  };
  await runRole({ role: "api", flags, keys: "read" }, async ({ ending, hurried, ...deps }) => {
    const api = await run(config, deps).catch((error: unknown) => {
      throw explainListenFailure(error, config);
    });
    deps.log.info({ host: api.host, port: api.port }, "serving");
    await aborted(ending);
    await pause(deps.clock, deadlines.endpointLagMs, hurried);
    await api.quiesce({ mostMs: quiesceMs, signal: hurried });
    await api.close();
  });
}

function authOf({ tokensFile, allowAnonymous }: ApiFlags): Auth {
  if (tokensFile !== undefined) return { kind: "tokens", tokensFile };
  if (allowAnonymous) return { kind: "anonymous" };
  throw new UsageError(
    "Who may start and end sessions? Give the file with their tokens (--tokens-file FILE), or let everybody who can reach this API (--allow-anonymous).",
  );
}

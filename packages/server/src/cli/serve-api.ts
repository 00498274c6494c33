import { type Auth, run, TemplatesFolder } from "../api/index.ts";
import { deadlines } from "../core/deadlines.ts";
import { aborted } from "../lib/aborted.ts";
import { pause } from "../lib/pause.ts";
import type { ApiFlags } from "./api.ts";
import { requireCallers } from "./callers.ts";
import { explainListenFailure } from "./listen-failure.ts";
import { UsageError } from "./report-failure.ts";
import { runRole } from "./role-process.ts";

/** How long requests in flight may take to be answered when the process is to end. */
const quiesceMs = 10_000;

/** Serves until a signal asks this process to end. */
export async function serveApi(flags: ApiFlags): Promise<void> {
  const { host, port, servicePrefix, apiServerBase, urlTemplate, backendsMax, userBackendsMax, images } = flags;
  const { silentConnection: silentConnectionSeconds } = flags;
  const config = {
    host,
    port,
    servicePrefix,
    auth: authOf(flags),
    ...(apiServerBase === undefined ? {} : { apiServerBase }),
    ...(urlTemplate === undefined ? {} : { urlTemplate }),
    ...(backendsMax === undefined ? {} : { backendsMax }),
    ...(userBackendsMax === undefined ? {} : { userBackendsMax }),
    ...(silentConnectionSeconds === undefined ? {} : { defaults: { silentConnectionSeconds } }),
    ...(images === undefined ? {} : { images }),
    templatesOnly: flags.templatesOnly ?? false,
    compat: flags.compat ?? false,
    expandsEnv: true,
  };
  if (flags.templatesOnly && flags.templates === undefined) {
    throw new UsageError("--templates-only needs templates: give their folder (--templates FOLDER).");
  }
  await runRole({ role: "api", flags, keys: "read" }, async ({ ending, hurried, ...deps }) => {
    const templates =
      flags.templates === undefined
        ? {}
        : { templates: await TemplatesFolder.open(flags.templates, { ...deps, kind: "pod" }) };
    const api = await run({ ...config, ...templates }, deps).catch((error: unknown) => {
      throw explainListenFailure(error, config);
    });
    deps.log.info({ host: api.host, port: api.port }, "serving");
    await aborted(ending);
    await pause(deps.clock, deadlines.endpointLagMs, hurried);
    await api.quiesce({ mostMs: quiesceMs, signal: hurried });
    await api.close();
  });
}

function authOf(flags: ApiFlags): Auth {
  requireCallers(flags, { reached: "API" });
  const { tokensFile } = flags;
  return tokensFile === undefined ? { kind: "anonymous" } : { kind: "tokens", tokensFile };
}

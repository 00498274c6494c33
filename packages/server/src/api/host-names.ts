import { SpawnerError } from "../core/errors.ts";
import { askedHost, hostNameOf } from "../core/host-names.ts";
import type { RequestRule } from "./request-rules.ts";

/** Refuses requests that name another host: a page that had its name rebound to this address cannot use the API. */
export function onlyHosts(allowedHosts: readonly string[]): RequestRule {
  return ({ raw }) => {
    const host = askedHost(raw.url ?? "", raw.headers.host ?? "");
    if (allowedHosts.includes(hostNameOf(host))) return;
    const given = JSON.stringify(host.slice(0, 80));
    throw new SpawnerError("forbidden_host", `Host ${given} is not served here; ${allowedHosts.join(", ")} are.`);
  };
}

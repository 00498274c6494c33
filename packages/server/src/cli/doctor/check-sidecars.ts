import { addressOf } from "../../core/address.ts";
import { relayPortsOf } from "../../core/relay-ports.ts";
import { hasEnded } from "../../core/status.ts";
import type { Engine } from "../../engine/index.ts";
import { type Finding, unknown } from "./finding.ts";

const subject = "sidecars";
/** How many are asked: what is in the way of one is usually in the way of all. */
const askedMax = 5;
const answerMs = 2_000;

/** Whether the control ports of backends that run can be reached from here. */
export async function checkSidecars(
  { backends }: Pick<Engine, "backends">,
  { isInCluster }: { isInCluster: boolean },
): Promise<Finding> {
  try {
    const { items } = await backends.list();
    const urls = items.flatMap((backend) => {
      const address = hasEnded(backend) ? undefined : addressOf(backend);
      if (address === undefined || address.relayProtocol === 0) return []; // 0.1.9's have no such port
      const host = address.ip.includes(":") ? `[${address.ip}]` : address.ip;
      return [`http://${host}:${relayPortsOf(backend.spec).controlPort}/healthz`];
    });
    if (urls.length === 0) return { level: "ok", subject, message: "not checked: no backend runs" };
    return judge(await Promise.all(urls.slice(0, askedMax).map(ask)), { isInCluster });
  } catch (error) {
    return unknown(subject, error);
  }
}

/** Undefined where it answers; otherwise what is the matter. */
async function ask(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(answerMs) });
    return response.ok ? undefined : `${url} answered ${response.status}`;
  } catch (error) {
    const { cause, message } = error as Error;
    return `${url}: ${(cause as Error | undefined)?.message ?? message}`;
  }
}

function judge(problems: readonly (string | undefined)[], { isInCluster }: { isInCluster: boolean }): Finding {
  const [first] = problems.filter((problem) => problem !== undefined);
  if (first === undefined) return { level: "ok", subject, message: `${problems.length} asked, and all answer` };
  const failed = problems.filter((problem) => problem !== undefined).length;
  const message = `${failed} of ${problems.length} cannot be reached from here (${first})`;
  return isInCluster
    ? { level: "wrong", subject, message, advice: "see what NetworkPolicies and firewalls there are between nodes" }
    : {
        level: "warning",
        subject,
        message,
        advice:
          "which is no wonder outside of the cluster; in it: kubectl exec daemonset/spawner-sweeper -- spawner doctor",
      };
}

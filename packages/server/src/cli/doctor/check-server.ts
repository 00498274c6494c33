import { type KubeClient, KubeError } from "../../engine/kubernetes/index.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Finding } from "./finding.ts";

interface ServerVersion {
  readonly major: string;
  /** Some write `32+`. */
  readonly minor: string;
  readonly gitVersion: string;
}

/** Native sidecars, selectable fields and CEL as they are used here are in every cluster from then on. */
const minorNeeded = 32;
const skewWarnSeconds = 5;
const skewWrongSeconds = 60;

/** The API server, its version, and whether its clock says what this machine's does. */
export async function checkServer(client: KubeClient, clock: Clock): Promise<Finding[]> {
  let version: ServerVersion;
  try {
    version = await client.json<ServerVersion>({ method: "GET", path: "/version" });
  } catch (error) {
    const advice =
      error instanceof KubeError
        ? "log in, or name another kubeconfig by --kubeconfig or KUBECONFIG"
        : "does it run, and does the kubeconfig name the right address? kubectl cluster-info";
    return [{ level: "wrong", subject: "API server", message: (error as Error).message, advice }];
  }
  return [versionFinding(version), await checkClock(client, clock)];
}

export function versionFinding({ major, minor, gitVersion }: ServerVersion): Finding {
  const subject = "API server";
  const isEnough = Number(major) > 1 || Number.parseInt(minor, 10) >= minorNeeded;
  if (isEnough) return { level: "ok", subject, message: `Kubernetes ${gitVersion}` };
  const message = `Kubernetes ${gitVersion}; 1.${minorNeeded} or later is needed`;
  return { level: "wrong", subject, message, advice: "upgrade the cluster" };
}

/** Anybody who is logged in may ask who they are; the answer is dated by the server, in whole seconds. */
async function checkClock(client: KubeClient, clock: Clock): Promise<Finding> {
  const subject = "clock";
  const before = clock.now().getTime();
  try {
    const { metadata } = await client.json<{ metadata: { creationTimestamp: string } }>({
      method: "POST",
      path: "/apis/authentication.k8s.io/v1/selfsubjectreviews",
      body: { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" },
    });
    const after = clock.now().getTime();
    return skewFinding({ serverMs: Date.parse(metadata.creationTimestamp), before, after });
  } catch (error) {
    return { level: "warning", subject, message: `not checked: ${(error as Error).message}` };
  }
}

/** The server's second lies between its first and its last millisecond; the skew is what these cannot explain. */
export function skewFinding(times: { serverMs: number; before: number; after: number }): Finding {
  const { serverMs, before, after } = times;
  const subject = "clock";
  const behindMs = Math.max(serverMs - after, 0);
  const aheadMs = Math.max(before - (serverMs + 999), 0);
  const seconds = Math.round(Math.max(behindMs, aheadMs) / 1000);
  if (seconds < skewWarnSeconds) return { level: "ok", subject, message: "agrees with the API server's" };
  const message = `${seconds} s ${behindMs > 0 ? "behind" : "ahead of"} the API server's`;
  const level = seconds < skewWrongSeconds ? "warning" : "wrong";
  const advice = "have both set by NTP: startup and lifetime limits are reckoned from the API server's times";
  return { level, subject, message, advice };
}

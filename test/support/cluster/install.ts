import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { kubectl } from "./kubectl.ts";
import { type Overlay, renderOverlay, testImage } from "./overlay.ts";

export interface Installation {
  readonly namespace: string;
  /** Addresses of the Services: `http://<ClusterIP>:8080`. */
  readonly apiUrl: string;
  readonly gatewayUrl: string;
  /** kubectl in its namespace. */
  kubectl(...args: string[]): Promise<string>;
  /** Has a role's Pods replaced, and resolves when the new ones serve. */
  restart(role: Role): Promise<void>;
  /** Deletes the namespace with all that is in it, without waiting for it to be gone. */
  dispose(): Promise<void>;
}

export type Role = "controller" | "api" | "gateway" | "sweeper";

const workloads: Record<Role, string> = {
  controller: "deployment/spawner-controller",
  api: "deployment/spawner-api",
  gateway: "deployment/spawner-gateway",
  sweeper: "daemonset/spawner-sweeper",
};

/** Installs an overlay as `kubectl apply -k` does, into a namespace of its own, and resolves when all of it is up. */
export async function install(overlay: Omit<Overlay, "namespace">): Promise<Installation> {
  const namespace = `spawner-test-${randomUUID().slice(0, 8)}`;
  const inNamespace = (...args: string[]) => kubectl(["--namespace", namespace, ...args]);
  const isUp = (role: Role) => inNamespace("rollout", "status", workloads[role], "--timeout=90s");
  const urlOf = async (service: string) => {
    const ip = await inNamespace("get", "service", service, "--output=jsonpath={.spec.clusterIP}");
    return `http://${ip}:8080`;
  };
  await kubectl(["apply", "--filename=-"], await renderOverlay({ ...overlay, namespace }));
  await Promise.all((Object.keys(workloads) as Role[]).map(isUp));
  return {
    namespace,
    apiUrl: await urlOf("spawner-api"),
    gatewayUrl: await urlOf("spawner-gateway"),
    kubectl: inNamespace,
    async restart(role) {
      await inNamespace("rollout", "restart", workloads[role]);
      await isUp(role);
    },
    async dispose() {
      await kubectl(["delete", "namespace", namespace, "--wait=false"]);
    },
  };
}

/**
 * The body of a `POST /spawn` that starts a program of test/support/cluster/. It comes by NODE_OPTIONS, so that the image that
 * is tested is image enough: what it does by itself, to print its help, is done beside the program.
 */
export function spawnRequestFor(program: string, rest: object = {}): object {
  const source = readFileSync(new URL(program, import.meta.url)).toString("base64");
  return { image: testImage, env: { NODE_OPTIONS: `--import=data:text/javascript;base64,${source}` }, ...rest };
}

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { eventually } from "./eventually.ts";
import { kubectl } from "./kubectl.ts";
import { type Overlay, renderOverlay, testImage } from "./overlay.ts";

export interface Installation {
  readonly namespace: string;
  /** Addresses of the Services: `http://<ClusterIP>:8080`. */
  readonly apiUrl: string;
  readonly gatewayUrl: string;
  /** Starts a session of the echo program through the API, and resolves to its id once it is ready. */
  spawn(request?: object): Promise<string>;
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

export interface InstallOptions extends Omit<Overlay, "namespace"> {
  /** What the Secret of the API's tokens has. Default: there is none. */
  readonly tokens?: string;
  /** What else is in its namespace, before it is installed. */
  readonly objects?: readonly object[];
}

/** Installs an overlay as `kubectl apply -k` does, into a namespace of its own, and resolves when all of it is up. */
export async function install(options: InstallOptions): Promise<Installation> {
  const namespace = `spawner-test-${randomUUID().slice(0, 8)}`;
  await kubectl(["create", "namespace", namespace]);
  try {
    return await installInto(namespace, options);
  } catch (error) {
    await kubectl(["delete", "namespace", namespace, "--wait=false"]);
    throw error;
  }
}

async function installInto(
  namespace: string,
  { tokens, objects = [], ...overlay }: InstallOptions,
): Promise<Installation> {
  const inNamespace = (...args: string[]) => kubectl(["--namespace", namespace, ...args]);
  const isUp = (role: Role) => inNamespace("rollout", "status", workloads[role], "--timeout=90s");
  const urlOf = async (service: string) => {
    const ip = await inNamespace("get", "service", service, "--output=jsonpath={.spec.clusterIP}");
    const url = `http://${ip}:8080`;
    // Pods that are ready are reached by their Service a moment later.
    await eventually(() => fetch(`${url}/healthz`));
    return url;
  };
  if (tokens !== undefined) {
    await inNamespace("create", "secret", "generic", "spawner-tokens", `--from-literal=tokens=${tokens}`);
  }
  for (const object of objects)
    await kubectl(["apply", "--namespace", namespace, "--filename=-"], JSON.stringify(object));
  await kubectl(["apply", "--filename=-"], await renderOverlay({ ...overlay, namespace }));
  await Promise.all((Object.keys(workloads) as Role[]).map(isUp));
  const [apiUrl, gatewayUrl] = await Promise.all([urlOf("spawner-api"), urlOf("spawner-gateway")]);
  return {
    namespace,
    apiUrl,
    gatewayUrl,
    kubectl: inNamespace,
    async spawn(request) {
      const id = await spawnThrough(apiUrl, spawnRequestFor("echo-program.mjs", request));
      await eventually(async () => {
        const { status } = await fetch(`${apiUrl}/backend/${id}/ready`, { redirect: "manual" });
        // To its URL, where the API has been told one.
        if (status !== 302 && status !== 200) throw new Error(`the session is not ready: /ready answers ${status}`);
      }, 60_000);
      return id;
    },
    async restart(role) {
      await inNamespace("rollout", "restart", workloads[role]);
      await isUp(role);
    },
    async dispose() {
      await kubectl(["delete", "namespace", namespace, "--wait=false"]);
    },
  };
}

/** Resolves to the id of what `POST /spawn` has started. */
export async function spawnThrough(apiUrl: string, request: object): Promise<string> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${apiUrl}/spawn`, { method: "POST", headers, body: JSON.stringify(request) });
  const body = (await response.json()) as { name: string };
  if (!response.ok) throw new Error(`POST /spawn was answered with ${response.status}: ${JSON.stringify(body)}`);
  return body.name;
}

/**
 * The body of a `POST /spawn` that starts a program of test/support/cluster/. It comes by NODE_OPTIONS, so that the image that
 * is tested is image enough: what it does by itself, to print its help, is done beside the program.
 */
export function spawnRequestFor(program: string, request: object = {}): object {
  const source = readFileSync(new URL(program, import.meta.url)).toString("base64");
  return {
    image: testImage,
    env: { NODE_OPTIONS: `--import=data:text/javascript;base64,${source}` },
    terminationGracePeriodSeconds: 1,
    ...request,
  };
}

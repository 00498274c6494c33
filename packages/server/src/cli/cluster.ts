// The cluster of the user's kubeconfig. Imported by what needs it only: the official client costs 78 MB and half a second.
import type { RequestOptions } from "node:https";
import {
  ApiException,
  CustomObjectsApi,
  createConfiguration,
  KubeConfig,
  type RequestContext,
  ServerConfiguration,
} from "@kubernetes/client-node";
import { group, version } from "../core/resource.ts";
import type { KubeConfig as Access } from "../engine/kubernetes/index.ts";
import type { SlabManifest } from "./slab-manifest.ts";

const plural = "sessionlivedbackends";
/** A person waits: longer than any API server takes, shorter than patience. */
const requestMs = 30_000;

/** Creates the resource and resolves to its name. Rejects with what went wrong and what to do about it, in one line. */
export async function createSlab(body: SlabManifest, { namespace }: { namespace: string }): Promise<string> {
  const config = loadKubeConfig();
  const server = config.getCurrentCluster()?.server ?? "";
  try {
    const created: unknown = await customObjects(config, server).createNamespacedCustomObject({
      group,
      version,
      plural,
      namespace,
      body,
      fieldManager: group,
    });
    return (created as { metadata: { name: string } }).metadata.name;
  } catch (error) {
    throw new Error(`Creating the backend failed: ${explain(error, server)}`, { cause: error });
  }
}

/** How to reach the cluster as a person does who has to log in for it: once, for as long as that login lasts. */
export async function logIn({ kubeconfig, namespace }: { kubeconfig?: string; namespace?: string }): Promise<Access> {
  const config = loadKubeConfig(kubeconfig);
  const server = config.getCurrentCluster()?.server ?? "";
  const options: RequestOptions = {};
  try {
    await config.applyToHTTPSOptions(options);
  } catch (error) {
    throw new Error(`Logging in at ${server} failed: ${firstLine(error)}`, { cause: error });
  }
  const { ca, cert, key, servername, rejectUnauthorized, headers } = options;
  const authorization = Object.entries(headers ?? {}).find(([name]) => name.toLowerCase() === "authorization");
  const [, token] = /^Bearer (.+)$/.exec(String(authorization?.[1])) ?? [];
  const { namespace: ofContext } = config.getContextObject(config.getCurrentContext()) ?? {};
  return {
    server,
    namespace: namespace ?? ofContext ?? "spawner",
    tls: {
      ...(ca === undefined ? {} : { ca: String(ca) }),
      ...(cert === undefined ? {} : { cert: String(cert) }),
      ...(key === undefined ? {} : { key: String(key) }),
      ...(servername === undefined ? {} : { servername }),
      ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
    },
    ...(token === undefined ? {} : { token }),
  };
}

function loadKubeConfig(file?: string): KubeConfig {
  const config = new KubeConfig();
  try {
    if (file === undefined) config.loadFromDefault();
    else config.loadFromFile(file);
  } catch (error) {
    throw new Error(`The kubeconfig cannot be read: ${firstLine(error)}`, { cause: error });
  }
  // The client's last resort, where there is neither a kubeconfig nor a Pod's service account, is localhost:8080.
  if (config.getCurrentContext() === "loaded-context") {
    throw new Error("There is no kubeconfig: name one in KUBECONFIG, or put it at ~/.kube/config.");
  }
  if (config.getCurrentCluster() === null) {
    throw new Error(
      "The kubeconfig has no current context with a cluster: choose one, kubectl config use-context NAME.",
    );
  }
  return config;
}

function customObjects(config: KubeConfig, server: string): CustomObjectsApi {
  const authentication = {
    getName: () => "kubeconfig",
    async applySecurityAuthentication(request: RequestContext) {
      await config.applySecurityAuthentication(request);
      request.setSignal(AbortSignal.timeout(requestMs));
    },
  };
  const baseServer = new ServerConfiguration(server, {});
  return new CustomObjectsApi(createConfiguration({ baseServer, authMethods: { default: authentication } }));
}

function explain(error: unknown, server: string): string {
  if (!(error instanceof ApiException)) return `${server} cannot be asked: ${firstLine(deepest(error))}`;
  const { message, reason } = statusOf(error.body);
  // A path that the API server does not know has no Status to say so.
  if (error.code === 404 && reason === undefined) {
    return "the cluster does not know SessionLivedBackends. Install them: spawner print-crd | kubectl apply -f -";
  }
  return `${message ?? `${server} answered ${error.code}`} (${reason ?? `HTTP ${error.code}`})`;
}

/** The Status that the API server answers with where it can. https://kubernetes.io/docs/reference/using-api/api-concepts/ */
function statusOf(body: unknown): { message?: string; reason?: string } {
  try {
    const status = typeof body === "string" ? (JSON.parse(body) as unknown) : body;
    return typeof status === "object" && status !== null ? status : {};
  } catch {
    return {}; // not JSON: not a Status
  }
}

/** The error that the others only wrap. */
function deepest(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? deepest(error.cause) : error;
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n", 1)[0] ?? "";
}

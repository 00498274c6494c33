import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { SpawnerError } from "../../core/errors.ts";

/** How to reach an API server, and as whom. */
export interface KubeConfig {
  /** `https://10.96.0.1:443`; a path in it is kept. */
  readonly server: string;
  readonly namespace: string;
  readonly tls: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    /** The name that the server's certificate must have, where it is not the host's. */
    readonly servername?: string;
    readonly rejectUnauthorized?: boolean;
  };
  readonly token?: string | { readonly file: string };
}

export interface KubeConfigOptions {
  /** A kubeconfig. Default: the service account where there is one, else KUBECONFIG, else `~/.kube/config`. */
  readonly kubeconfig?: string;
  /** Default: the service account's or the context's, else `spawner`. */
  readonly namespace?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Where a Pod finds its service account. */
  readonly serviceAccountDir?: string;
}

/** The kubeconfig's user logs in in a way for which there is another client. */
export class UnsupportedLogin extends SpawnerError {}

const defaultNamespace = "spawner";
const defaultServiceAccountDir = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Rejects with `invalid_request` where nothing says how to reach an API server, or what does cannot be read. */
export async function loadKubeConfig(options: KubeConfigOptions = {}): Promise<KubeConfig> {
  const { kubeconfig, env = process.env, serviceAccountDir = defaultServiceAccountDir } = options;
  const config =
    kubeconfig === undefined && env.KUBERNETES_SERVICE_HOST !== undefined
      ? await inClusterConfig(env, serviceAccountDir)
      : await readKubeConfig(kubeconfig ?? firstPath(env.KUBECONFIG) ?? join(homedir(), ".kube/config"));
  return { ...config, namespace: options.namespace ?? (config.namespace || defaultNamespace) };
}

/** https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/ */
async function inClusterConfig(env: NonNullable<KubeConfigOptions["env"]>, dir: string): Promise<KubeConfig> {
  const { KUBERNETES_SERVICE_HOST: host = "", KUBERNETES_SERVICE_PORT: port = "443" } = env;
  const file = (name: string) => join(dir, name);
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    namespace: (await read(file("namespace"))).trim(),
    tls: { ca: await read(file("ca.crt")) },
    token: { file: file("token") },
  };
}

/** What we understand of https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/ */
interface KubeConfigFile {
  readonly "current-context"?: string;
  readonly contexts?: readonly { name: string; context: { cluster: string; user: string; namespace?: string } }[];
  readonly clusters?: readonly { name: string; cluster: Cluster }[];
  readonly users?: readonly { name: string; user: User }[];
}

interface Cluster {
  readonly server: string;
  readonly "certificate-authority"?: string;
  readonly "certificate-authority-data"?: string;
  readonly "tls-server-name"?: string;
  readonly "insecure-skip-tls-verify"?: boolean;
}

interface User {
  readonly "client-certificate"?: string;
  readonly "client-certificate-data"?: string;
  readonly "client-key"?: string;
  readonly "client-key-data"?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly exec?: object;
  readonly "auth-provider"?: object;
  readonly username?: string;
}

async function readKubeConfig(path: string): Promise<KubeConfig> {
  const file = await parseKubeConfig(await read(path), path);
  const wanted = file["current-context"] ?? "";
  const context = find(file.contexts, wanted, { path, what: "context" }).context;
  const { cluster } = find(file.clusters, context.cluster, { path, what: "cluster" });
  const { user } = find(file.users, context.user, { path, what: "user" });
  if (user.exec !== undefined || user["auth-provider"] !== undefined || user.username !== undefined) {
    throw new UnsupportedLogin(
      "invalid_request",
      `The user ${context.user} of ${path} logs in by exec, an auth provider or a password; a client certificate or a token is needed.`,
    );
  }
  const at = (name: string) => (isAbsolute(name) ? name : join(dirname(path), name));
  const material = async (data: string | undefined, name: string | undefined) =>
    data !== undefined ? Buffer.from(data, "base64").toString() : name === undefined ? undefined : read(at(name));
  const token = user.token ?? (user.tokenFile === undefined ? undefined : { file: at(user.tokenFile) });
  return {
    server: cluster.server,
    namespace: context.namespace ?? "",
    tls: withoutUndefined({
      ca: await material(cluster["certificate-authority-data"], cluster["certificate-authority"]),
      cert: await material(user["client-certificate-data"], user["client-certificate"]),
      key: await material(user["client-key-data"], user["client-key"]),
      servername: cluster["tls-server-name"],
      rejectUnauthorized: cluster["insecure-skip-tls-verify"] === true ? false : undefined,
    }),
    ...(token === undefined ? {} : { token }),
  };
}

async function parseKubeConfig(text: string, path: string): Promise<KubeConfigFile> {
  const { parse } = await import("yaml"); // here, and not at the top: in a Pod nobody needs it
  try {
    return (parse(text) ?? {}) as KubeConfigFile;
  } catch (cause) {
    throw new SpawnerError("invalid_request", `The kubeconfig ${path} is not YAML.`, { cause });
  }
}

function find<Entry extends { name: string }>(
  entries: readonly Entry[] | undefined,
  name: string,
  { path, what }: { path: string; what: string },
): Entry {
  const entry = entries?.find((each) => each.name === name);
  if (entry !== undefined) return entry;
  const known = entries?.map((each) => each.name).join(", ") || "none";
  throw new SpawnerError(
    "invalid_request",
    `The kubeconfig ${path} has no ${what} ${JSON.stringify(name)}; it has ${known}.`,
  );
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new SpawnerError("invalid_request", `${path}, which says how to reach the cluster, cannot be read.`, {
      cause,
    });
  }
}

/** Of several files in KUBECONFIG, the first: we do not merge them. */
function firstPath(paths: string | undefined): string | undefined {
  return paths?.split(":").find((path) => path !== "");
}

type Defined<Fields> = { [Key in keyof Fields]?: Exclude<Fields[Key], undefined> };

function withoutUndefined<Fields extends object>(fields: Fields): Defined<Fields> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<Fields>;
}

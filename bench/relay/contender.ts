import {
  freePort,
  type Pinned,
  type PinOptions,
  proxyCore,
  startPinned,
  untilListening,
  untilOutput,
} from "./processes.ts";

/** How many paths lead to backends, where a contender routes by path. All lead to the same one. */
export const pathsMany = 10_000;

/** Something between load and upstream. */
export interface Contender {
  readonly name: ContenderName;
  readonly port: number;
  /** What its targets begin with: "" or one of its paths. */
  readonly prefix: string;
  /** Its process, whose CPU time counts; undefined where none does. */
  readonly pid: number | undefined;
  /** `NAME=VALUE`: what it lets clients in by; "" where it lets all in. */
  readonly cookie: string;
  stop(): Promise<void>;
}

/** Relays of one backend, and proxies that route by path, each with its peers. */
export const contenderNames = {
  sidecar: "sidecar",
  nginx: "nginx",
  haproxy: "HAProxy",
  copy: "Node that only copies",
  gateway: "gateway, 1 path",
  gatewayMany: "gateway, 10,000 paths",
  gatewayTokens: "the same, tokens checked",
  nginxPaths: "nginx, 10,000 paths",
  haproxyPaths: "HAProxy, 10,000 paths",
  nodeProxy: "configurable-http-proxy",
  direct: "direct",
  chain: "gateway + sidecar",
  nginxChain: "nginx + nginx",
} as const;

export type ContenderName = (typeof contenderNames)[keyof typeof contenderNames];

/** The path that is asked for, among others. */
export const somePath = "/b1234";

/** The names behind the paths: `b0` and so on. */
export function pathNames(count: number): string[] {
  return count === 1 ? [somePath.slice(1)] : Array.from({ length: count }, (_, number) => `b${number}`);
}

/** Of the backend of that name. */
export function uidOf(name: string): string {
  return `uid-of-${name}`;
}

/** Starts a proxy that says on which port it serves. */
export async function startSaying(
  name: ContenderName,
  options: Omit<PinOptions, "core">,
  prefix: string,
): Promise<Contender> {
  const pinned = startPinned({ ...options, core: proxyCore });
  const [, port] = await untilOutput(pinned.child, /port (\d+)/);
  return contenderOf(name, pinned, { port: Number(port), prefix });
}

/** Starts a proxy on the port that it is told. */
export async function startTold(
  name: ContenderName,
  optionsFor: (port: number) => Omit<PinOptions, "core">,
  prefix: string,
): Promise<Contender> {
  const port = await freePort();
  const pinned = startPinned({ ...optionsFor(port), core: proxyCore });
  pinned.child.stdout?.resume();
  await untilListening(port);
  return contenderOf(name, pinned, { port, prefix });
}

function contenderOf(name: ContenderName, { pid, stop }: Pinned, at: { port: number; prefix: string }): Contender {
  return { name, pid, stop, cookie: "", ...at };
}

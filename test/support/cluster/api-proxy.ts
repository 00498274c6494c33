import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Agent, createServer, request as forward, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { KubeConfig } from "../../../packages/server/src/engine/kubernetes/kube-config.ts";
import { makeServerCertificate } from "./certificate.ts";
import { WatchStreams } from "./watch-streams.ts";

/** A request that changes something, or would. */
export interface ApiWrite {
  /** Counted from 1, over all that the filter lets count. */
  readonly number: number;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly body: string;
  /** What was answered, by the API server or in its place; undefined where nothing was. */
  status: number | undefined;
}

/** What is done to a write, instead of passing it on. */
export type WriteEffect =
  /** The connection is cut: nothing was written; or all of it, and the answer is lost. */
  | { readonly kind: "cut"; readonly moment: "before" | "after" }
  /** The API server says no, and nothing is written. */
  | { readonly kind: "answer"; readonly status: number; readonly reason: string }
  /** It is passed on when this resolves, whether or not its sender still waits. */
  | { readonly kind: "delay"; readonly until: Promise<void> };

export interface ApiProxyOptions {
  /** Which writes count, and can be disturbed. Default: all. */
  readonly counts?: (write: { readonly method: string; readonly path: string }) => boolean;
  /** Told of every answer of the API server, of reads and watches too. */
  readonly onAnswered?: (answered: { readonly method: string; readonly url: string; readonly status: number }) => void;
}

/**
 * A proxy in front of an API server, for what speaks to one: it counts writes, and disturbs writes, watches and everything. Who
 * comes with a bearer token of his own is passed on with it, all others with the proxy's own credentials.
 */
export class ApiProxy {
  /** Those that count, in their order. */
  readonly writes: ApiWrite[] = [];
  readonly watches = new WatchStreams();
  /** Asked for each write that counts. Default: nothing is done to any. */
  onWrite: (write: ApiWrite) => WriteEffect | undefined | Promise<WriteEffect | undefined> = () => undefined;
  readonly #access: KubeConfig;
  readonly #counts: NonNullable<ApiProxyOptions["counts"]>;
  readonly #onAnswered: NonNullable<ApiProxyOptions["onAnswered"]>;
  readonly #agents: { readonly own: Agent; readonly callers: Agent };
  readonly #certificate = makeServerCertificate();
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();
  /** Connections that came while it hung. */
  readonly #unheard = new WeakSet<Duplex>();
  #port = 0;
  /** Resolves when requests are passed on again. */
  #serving: PromiseWithResolvers<void> | undefined;

  private constructor(access: KubeConfig, { counts = () => true, onAnswered = () => {} }: ApiProxyOptions) {
    this.#access = access;
    this.#counts = counts;
    this.#onAnswered = onAnswered;
    const { ca, cert, key, ...rest } = access.tls;
    const server = { ...rest, ...(ca === undefined ? {} : { ca }) };
    const identity = cert === undefined || key === undefined ? {} : { cert, key };
    this.#agents = {
      own: new Agent({ keepAlive: true, ...server, ...identity }),
      callers: new Agent({ keepAlive: true, ...server }),
    };
    // As the API server keeps connections that are idle.
    this.#server = createServer({ ...this.#certificate, keepAliveTimeout: 90_000 }, (request, response) => {
      this.#serve(request, response).catch(() => request.socket.destroy());
    });
    this.#server.on("secureConnection", (socket) => {
      if (this.#serving !== undefined) this.#unheard.add(socket);
    });
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket)).on("error", () => {});
    });
    this.#server.on("tlsClientError", (_error, socket) => socket.destroy());
  }

  static async open(access: KubeConfig, options: ApiProxyOptions = {}): Promise<ApiProxy> {
    const proxy = new ApiProxy(access, options);
    await proxy.#listen();
    return proxy;
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  /** A kubeconfig that leads here. */
  kubeconfig({ token = ownToken }: { token?: string } = {}): string {
    const ca = Buffer.from(this.#certificate.cert).toString("base64");
    return JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "proxy",
      contexts: [{ name: "proxy", context: { cluster: "proxy", user: "proxy" } }],
      clusters: [{ name: "proxy", cluster: { server: this.url, "certificate-authority-data": ca } }],
      users: [{ name: "proxy", user: { token } }],
    });
  }

  /**
   * Lets everything wait: requests that come, and streams that are open. Connections are still taken. When it goes on it does
   * what it was asked for meanwhile, also of whoever has given up: a process that was paused finds that in its sockets. But
   * for those that were not secured yet when it was paused: nobody sends a request on these.
   */
  hang(): void {
    this.#serving ??= Promise.withResolvers();
    this.watches.hang();
  }

  /** Ends all connections, and takes none. */
  async refuse(): Promise<void> {
    const closed = once(this.#server, "close");
    if (!this.#server.listening) return;
    this.#server.close();
    this.cutConnections();
    await closed;
  }

  /** Serves again, on the same port, after `hang` or `refuse`. */
  async serve(): Promise<void> {
    if (!this.#server.listening) await this.#listen();
    this.watches.goOn();
    this.#serving?.resolve();
    this.#serving = undefined;
  }

  /** Ends all connections. */
  cutConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.refuse();
    this.#serving?.resolve();
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  async #listen(): Promise<void> {
    this.#server.listen({ port: this.#port, host: "127.0.0.1" });
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "GET", url = "/" } = request;
    const { pathname, searchParams } = new URL(url, this.url);
    const isWatch = method === "GET" && ["true", "1"].includes(searchParams.get("watch") ?? "");
    const body = await readAll(request);
    const isCounted = method !== "GET" && this.#counts({ method, path: pathname });
    const write = isCounted ? this.#count({ method, path: pathname, body: body.toString() }) : undefined;
    await this.#serving?.promise;
    if (this.#unheard.has(request.socket) && request.socket.destroyed) return;
    if (isWatch) return this.#passWatch(request, response, pathname);
    if (write === undefined) return answer(response, await this.#ask(request, body));
    await this.#passWrite({ write, request, response, body });
  }

  #count(write: Pick<ApiWrite, "method" | "path" | "body">): ApiWrite {
    const counted = { ...write, number: this.writes.length + 1, status: undefined };
    this.writes.push(counted);
    return counted;
  }

  async #passWrite({ write, request, response, body }: Passing): Promise<void> {
    const effect = await this.onWrite(write);
    switch (effect?.kind) {
      case "answer":
        write.status = effect.status;
        return answer(response, refusal(effect));
      case "cut":
        if (effect.moment === "after") await this.#ask(request, body);
        request.socket.destroy();
        return;
      case "delay":
        await effect.until;
        break;
      case undefined:
        break;
      default:
        return effect satisfies never;
    }
    const answered = await this.#ask(request, body);
    write.status = answered.status;
    answer(response, answered);
  }

  async #passWatch(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    if (this.watches.takeExpired()) return answer(response, refusal({ status: 410, reason: "Expired" }));
    const upstream = await this.#open(request, Buffer.alloc(0));
    response.writeHead(upstream.statusCode ?? 502, { "content-type": upstream.headers["content-type"] });
    response.flushHeaders();
    await this.watches.pass({ path, from: upstream, to: response });
  }

  /** The whole answer of the API server. */
  async #ask(request: IncomingMessage, body: Buffer): Promise<ApiAnswer> {
    const response = await this.#open(request, body);
    const type = response.headers["content-type"] ?? "application/json";
    return { status: response.statusCode ?? 502, type, body: await readAll(response) };
  }

  async #open({ method = "GET", url = "/", headers }: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    const isCallers = headers.authorization !== undefined && headers.authorization !== `Bearer ${ownToken}`;
    const { server, token } = this.#access;
    const authorization = isCallers ? headers.authorization : typeof token === "string" ? `Bearer ${token}` : undefined;
    const outgoing = forward(new URL(url, server), {
      method,
      agent: isCallers ? this.#agents.callers : this.#agents.own,
      headers: {
        accept: headers.accept ?? "application/json",
        "user-agent": headers["user-agent"] ?? "spawner-test-proxy",
        ...(headers["content-type"] === undefined ? {} : { "content-type": headers["content-type"] }),
        ...(authorization === undefined ? {} : { authorization }),
        "content-length": body.length,
      },
    });
    outgoing.on("error", () => {}); // after the answer has begun, its reader is told
    outgoing.end(body);
    const [response] = (await once(outgoing, "response")) as [IncomingMessage];
    this.#onAnswered({ method, url, status: response.statusCode ?? 0 });
    return response;
  }
}

/** Stands for the proxy's own credentials. */
const ownToken = "of-the-proxy";

interface Passing {
  readonly write: ApiWrite;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: Buffer;
}

interface ApiAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: Buffer | string;
}

/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
function refusal({ status, reason }: { status: number; reason: string }): ApiAnswer {
  const message = `the test has this answered: ${reason}`;
  const body = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code: status };
  return { status, type: "application/json", body: JSON.stringify(body) };
}

function answer(response: ServerResponse, { status, type, body }: ApiAnswer): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
  response.end(body);
}

async function readAll(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

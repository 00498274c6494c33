import type { ApiDocument } from "./document.ts";
import { type Answer, exchange } from "./raw-http.ts";

/** Where an API is, and how to be let in. */
export interface Address {
  readonly port: number;
  /** What is in front of the API's paths: "", or "/api" at a gateway. */
  readonly prefix: string;
  /** One that the control surface takes; undefined where it takes everybody. */
  readonly token: string | undefined;
}

/** What becomes of a backend without the API's doing: it becomes ready, it ends, its record is removed. */
export type ChangeKind = "advance" | "end" | "forget";

/** An API to hold to its document. */
export interface Target extends Address {
  readonly document: ApiDocument;
  readonly change: (kind: ChangeKind, id: string) => Promise<void>;
}

/** A plain request, as any client would make it. */
export function ask(
  { port, prefix, token }: Address,
  line: `${"GET" | "POST"} /${string}`,
  body?: string,
): Promise<Answer> {
  const [method, path] = line.split(" ");
  const head = [
    `${method} ${prefix}${path} HTTP/1.1`,
    "host: 127.0.0.1",
    ...(token === undefined ? [] : [`authorization: Bearer ${token}`]),
    ...(body === undefined ? [] : ["content-type: application/json", `content-length: ${Buffer.byteLength(body)}`]),
  ].join("\r\n");
  return exchange(port, Buffer.from(`${head}\r\n\r\n${body ?? ""}`), { isHead: false });
}

export async function documentOf(address: Address): Promise<ApiDocument> {
  return JSON.parse((await ask(address, "GET /openapi.json")).body) as ApiDocument;
}

/** Sockets and listeners of this process, and the streams that the API says are open. */
export async function heldBy(address: Address): Promise<{ sockets: number; servers: number; streams: number }> {
  const { body } = await ask(address, "GET /metrics");
  const resources = process.getActiveResourcesInfo();
  return {
    sockets: resources.filter((kind) => kind === "TCPSocketWrap").length,
    servers: resources.filter((kind) => kind === "TCPServerWrap").length,
    streams: Number(/^spawner_api_open_streams ([0-9]+)$/m.exec(body)?.[1]),
  };
}

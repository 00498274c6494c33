import type { IncomingMessage } from "node:http";
import { SpawnerError } from "../../core/errors.ts";
import { KubeError } from "./kube-client.ts";
import type { KubeStatus } from "./objects.ts";

/** A page of 500 resources of the size that etcd takes is never near it. */
const bodyBytesMax = 256 * 1024 * 1024;

/** What the API server answered, read to its end. */
export interface KubeAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

export function isRefused({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode < 200 || statusCode > 299;
}

export async function readAnswer(response: IncomingMessage): Promise<KubeAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) throw new Error(`its answer has more than ${bodyBytesMax} bytes`);
    chunks.push(chunk);
  }
  return {
    status: response.statusCode ?? 0,
    retryAfter: response.headers["retry-after"],
    body: Buffer.concat(chunks).toString(),
  };
}

/** What was asked for. Throws a KubeError where the server will not, `unavailable` where it cannot now. */
export function answerOf<Result>({ status, body }: KubeAnswer): Result {
  if (status >= 200 && status <= 299) return parse(body) as Result;
  const error = kubeErrorOf(status, body);
  // Whatever it is (etcd does not answer, a webhook fails, it starts or ends), the same may be asked again later.
  if (status < 500 && status !== 429) throw error;
  throw new SpawnerError("unavailable", `The API server cannot do it now: ${error.message} (${error.reason}).`, {
    cause: error,
  });
}

/** The body as it comes; ends, without an error, when the signal says so. */
export async function* followBody(response: IncomingMessage, signal: AbortSignal | undefined) {
  const onAbort = () => void response.destroy();
  signal?.addEventListener("abort", onAbort);
  if (signal?.aborted) onAbort();
  try {
    yield* response as AsyncIterable<Uint8Array>;
  } catch (cause) {
    if (signal?.aborted) return;
    throw new SpawnerError("unavailable", `The API server's stream broke: ${(cause as Error).message}.`, { cause });
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

function kubeErrorOf(httpStatus: number, body: string): KubeError {
  const status = statusIn(body);
  return new KubeError({
    status: httpStatus,
    reason: status.reason ?? `HTTP ${httpStatus}`,
    message: status.message ?? (body.slice(0, 300) || "it says nothing more"),
    continue: status.metadata?.continue,
  });
}

function statusIn(body: string): KubeStatus {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? (value as KubeStatus) : {};
  } catch {
    return {}; // a proxy's page, or plain text
  }
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new SpawnerError("unavailable", "The API server's answer is not JSON.", { cause });
  }
}

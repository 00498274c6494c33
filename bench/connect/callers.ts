import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface CallersOptions {
  /** Default: this machine. */
  readonly host?: string;
  readonly port: number;
  /** Default: where a gateway has the API's. */
  readonly path?: string;
  readonly callers: number;
  readonly forMs: number;
  /** The body of a caller's next request. */
  body(caller: number, request: number): string;
}

export interface CallersResult {
  /** How long each request took, in the order of their ends. */
  readonly tookMs: readonly number[];
  readonly perSecond: number;
}

const headEnd = "\r\n\r\n";

/** Each caller has one connection and sends a request when the one before is answered. Rejects at an answer but 200. */
export async function runCallers(options: CallersOptions): Promise<CallersResult> {
  const { host = "127.0.0.1", port, path = "/api/connect", callers, forMs, body } = options;
  const sockets = await Promise.all(Array.from({ length: callers }, () => open(host, port)));
  const tookMs: number[] = [];
  const startMs = performance.now();
  const untilMs = startMs + forMs;
  try {
    await Promise.all(
      sockets.map(async (socket, caller) => {
        for (let request = 0; performance.now() < untilMs; request++) {
          const text = body(caller, request);
          const sentMs = performance.now();
          socket.write(
            `POST ${path} HTTP/1.1\r\nhost: ${host}:${port}\r\ncontent-type: application/json\r\ncontent-length: ${text.length}${headEnd}${text}`,
          );
          await readAnswer(socket);
          tookMs.push(performance.now() - sentMs);
        }
      }),
    );
    return { tookMs, perSecond: (tookMs.length / (performance.now() - startMs)) * 1_000 };
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

async function open(host: string, port: number): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true });
  await once(socket, "connect");
  socket.setEncoding("latin1");
  return socket;
}

/** No more than these servers send: a head with a length, and that many bytes. */
function readAnswer(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = "";
    const settle = (error?: Error) => {
      socket.off("data", onData).off("close", onClose);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onClose = () => settle(new Error(`the connection was closed behind ${JSON.stringify(text)}`));
    const onData = (part: string) => {
      text += part;
      const head = text.indexOf(headEnd);
      if (head < 0) return;
      const length = Number(/content-length: *(\d+)/i.exec(text.slice(0, head))?.[1]);
      if (text.length < head + headEnd.length + length) return;
      settle(text.startsWith("HTTP/1.1 200 ") ? undefined : new Error(text));
    };
    socket.on("data", onData).on("close", onClose);
  });
}

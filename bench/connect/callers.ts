import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface CallersOptions {
  readonly port: number;
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
export async function runCallers({ port, callers, forMs, body }: CallersOptions): Promise<CallersResult> {
  const sockets = await Promise.all(Array.from({ length: callers }, () => open(port)));
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
            `POST /api/connect HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/json\r\ncontent-length: ${text.length}${headEnd}${text}`,
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

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
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

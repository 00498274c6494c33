import { once } from "node:events";
import { WebSocket } from "ws";

/** A user with a WebSocket to a backend that echoes. */
export class EchoClient {
  readonly #socket: WebSocket;
  /** Why it is closed; undefined while it is open. */
  closed: string | undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("close", (code, reason) => (this.closed = `closed with ${code} ${reason}`));
    socket.on("error", (error) => (this.closed = error.message));
  }

  /** `url` is of a backend: `http://…/<id>/`. */
  static async open(url: string): Promise<EchoClient> {
    const socket = new WebSocket(url.replace(/^http/, "ws"));
    const client = new EchoClient(socket);
    await once(socket, "open");
    return client;
  }

  /** Sends and waits for it to come back. Rejects where it does not. */
  async echo(text: string, { withinMs = 5_000 } = {}): Promise<void> {
    if (this.closed !== undefined) throw new Error(this.closed);
    const answered = once(this.#socket, "message", { signal: AbortSignal.timeout(withinMs) });
    this.#socket.send(text);
    const [data] = (await answered) as [Buffer];
    if (data.toString() !== text) throw new Error(`sent ${text}, and ${data} came back`);
  }

  /** Says goodbye, as a browser does. */
  leave(): void {
    this.#socket.close();
  }

  close(): void {
    this.#socket.terminate();
  }
}

/** Has each client echo about once a `everyMs` until `untilMs` (performance.now()). Rejects when one of them is disconnected. */
export async function keepEchoing(
  clients: readonly EchoClient[],
  { untilMs, everyMs = 500 }: { untilMs: number; everyMs?: number },
): Promise<number> {
  let echoes = 0;
  while (performance.now() < untilMs) {
    await Promise.all(clients.map((client) => client.echo(`echo ${echoes}`)));
    echoes += clients.length;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  return echoes;
}

import { once } from "node:events";
import type { WebSocket } from "ws";

/** Sends a message, and looks at what comes back. */
export async function echoOf(socket: WebSocket, message: string | Buffer) {
  const came = once(socket, "message");
  socket.send(message);
  const [data, isBinary] = (await came) as [Buffer, boolean];
  return { isSame: data.equals(Buffer.from(message)), isBinary, length: data.length };
}

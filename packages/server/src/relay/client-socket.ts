import { Socket, type SocketConstructorOpts } from "node:net";
import { readBuffer } from "./read-buffer.ts";

/** What Node has below a socket. It is not documented; that it takes a buffer is what `onread` is made of. */
interface Inner {
  _handle?: { useUserBuffer?: unknown } | null;
}

/** The release of Node whose sockets are known to be as `adopt` needs them: the one that the tests run with. */
const knownRelease = /^24\./;

/**
 * An accepted connection that was not read from yet (`pauseOnConnect`); what is received on it goes to `onBytes`. Node reads
 * into a buffer of ours (`onread`) where a connection is made, but not where one is accepted: there, each read costs a
 * buffer of 64 kB and the turns of a stream, up to a tenth of what relaying a small message costs. So the connection moves to
 * a socket that was made for it; its server counts it no more. On another release of Node, or where one is not as expected, it
 * stays, and its "data" events do the same.
 */
export function adopt(
  accepted: Socket,
  onBytes: (bytes: Buffer) => void,
  nodeVersion: string = process.versions.node,
): Socket {
  const inner = accepted as Inner;
  const handle = inner._handle;
  if (!knownRelease.test(nodeVersion) || typeof handle?.useUserBuffer !== "function") {
    return accepted.on("data", onBytes).resume();
  }
  inner._handle = null;
  const options = { handle, allowHalfOpen: true, onread: readBuffer(onBytes) };
  const socket = new Socket(options as SocketConstructorOpts);
  accepted.destroy(); // there is nothing left in it
  return socket;
}

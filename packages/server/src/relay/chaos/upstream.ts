import type { Peer } from "../fixture.ts";
import { reset } from "../reset.ts";
import {
  answerTo,
  bytesOf,
  farewell,
  greeting,
  lastChunk,
  parseTarget,
  switching,
  type Target,
  wholeOfCut,
} from "./answers.ts";

/** Serves one connection: each request says in its target what is to become of it. */
export function serveChaos(peer: Peer): void {
  const { socket } = peer;
  let rest = "";
  let isTunnel = false;
  let isDeaf = false;
  socket.on("data", (bytes) => {
    peer.forget(); // it is not to grow with what comes
    if (isTunnel) {
      if (bytes.includes(farewell)) socket.end();
      else if (!isDeaf) socket.write(bytes);
      return;
    }
    rest += bytes.toString("latin1");
    for (let next = nextRequest(rest); next !== undefined && !isTunnel; next = nextRequest(rest)) {
      rest = rest.slice(next.length);
      isTunnel = next.target.kind === "tunnel" || next.target.kind === "deaf";
      isDeaf = next.target.kind === "deaf";
      answer(peer, next.target);
    }
  });
  // One that is deaf never ends its half; the relay has to.
  socket.on("end", () => isDeaf || socket.end());
}

function answer(peer: Peer, target: Target): void {
  const { socket } = peer;
  if (!socket.writable) return;
  switch (target.kind) {
    case "silent":
      return;
    case "tunnel":
    case "deaf":
      socket.write(switching + greeting);
      return;
    case "drop":
      return breakOff(peer, target.how);
    case "continue":
      socket.write("HTTP/1.1 100 Continue\r\n\r\n");
      return;
    case "more":
      socket.write(Buffer.concat([answerTo(target), Buffer.from("more than was announced")]));
      return;
    case "endless":
      return pourOut(peer);
    case "garbage":
      socket.write("garbage\r\n\r\n");
      return;
    case "cut":
    case "cut-chunked":
      socket.write(wholeOfCut(target.kind).subarray(0, target.count), () => breakOff(peer, target.how));
      return;
    case "last":
    case "until-close":
      socket.end(answerTo(target));
      return;
    default:
      socket.write(answerTo(target));
  }
}

/** More than all buffers between here and a client hold. */
function pourOut({ socket }: Peer): void {
  const part = bytesOf(64 * 1024);
  socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n");
  const pour = () => {
    while (socket.writable && socket.write(part));
  };
  socket.on("drain", pour);
  pour();
}

function breakOff({ socket }: Peer, how: string): void {
  if (how === "end") socket.end();
  else if (how === "reset") reset(socket);
  else socket.destroy();
}

/** The request at the beginning, once it is whole; an early answer is to its head alone. */
function nextRequest(text: string): { target: Target; length: number } | undefined {
  const headEnd = text.indexOf("\r\n\r\n") + 4;
  if (headEnd < 4) return undefined;
  const head = text.slice(0, headEnd);
  const target = parseTarget(head.split(" ")[1] ?? "");
  const length = bodyEnd(text, headEnd, head);
  return length === undefined ? undefined : { target, length };
}

function bodyEnd(text: string, headEnd: number, head: string): number | undefined {
  if (/transfer-encoding/i.test(head)) {
    const end = text.indexOf(lastChunk, headEnd);
    return end < 0 ? undefined : end + lastChunk.length;
  }
  const end = headEnd + Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
  return text.length < end ? undefined : end;
}

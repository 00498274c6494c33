// A session's program for tests, of Node alone: echoes what comes by WebSocket, and answers requests with its environment; at
// /busy it says that it is busy, and answers with the status that it got.
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://program");
  if (pathname === "/busy") return void sayBusy(Number(searchParams.get("seconds"))).then((text) => response.end(text));
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ url: request.url, headers: request.headers, env: process.env }));
});

async function sayBusy(ttlSeconds) {
  const { SPAWNER_CONTROL_URL: url, SPAWNER_CONTROL_TOKEN: token } = process.env;
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(`${url}/busy`, { method: "PUT", headers, body: JSON.stringify({ ttlSeconds }) });
  return String(answer.status);
}

server.on("upgrade", (request, socket) => {
  const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`; // RFC 6455 4.2.2
  const accept = createHash("sha1").update(key).digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
  );
  let unread = Buffer.alloc(0);
  socket.on("data", (bytes) => {
    unread = Buffer.concat([unread, bytes]);
    for (let frame = readFrame(unread); frame !== undefined; frame = readFrame(unread)) {
      unread = unread.subarray(frame.bytes);
      socket.write(Buffer.concat([Buffer.from([frame.head, frame.payload.length]), frame.payload]));
      if (frame.head === closing) socket.end();
    }
  });
  socket.on("end", () => socket.end()).on("error", () => socket.destroy());
});
server.listen(Number(process.env.PORT), () => console.log("listening"));

/** The first byte of a frame that closes: final, opcode 8 (RFC 6455 5.2). */
const closing = 0x88;

/** A client's frame of up to 125 bytes, which is all that these tests send; undefined while it is not whole. */
function readFrame(bytes) {
  if (bytes.length < 6) return undefined;
  const length = bytes[1] & 0x7f;
  if (length > 125) throw new Error("this program takes short messages only");
  if (bytes.length < 6 + length) return undefined;
  const mask = bytes.subarray(2, 6);
  const payload = bytes.subarray(6, 6 + length).map((byte, index) => byte ^ mask[index % 4]);
  return { head: bytes[0], payload, bytes: 6 + length };
}

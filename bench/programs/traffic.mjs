// A light program with every kind of traffic that a session can have. It says when it had sent the last byte of a response,
// and when it was asked to end, in milliseconds since 1970.
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const megabyte = Buffer.alloc(1024 * 1024, "x");
const timeLength = String(Date.now()).length;

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://program");
  const number = (name) => Number(searchParams.get(name));
  switch (pathname) {
    case "/slow":
      return void setTimeout(() => response.end(String(Date.now())), number("ms"));
    case "/poll":
      return response.writeProcessing(); // and answers never
    case "/events":
      response.writeHead(200, { "content-type": "text/event-stream" });
      return sendEvents(response, number("count"), number("everyMs"));
    case "/upload":
      return void request.resume().on("end", () => response.end(String(Date.now())));
    case "/big":
      response.writeHead(200, { "content-length": number("megabytes") * megabyte.length });
      return sendMegabytes(response, number("megabytes"));
    default:
      response.end(String(Date.now()));
  }
});

function sendEvents(response, left, everyMs) {
  if (response.destroyed) return;
  if (left === 1) return void response.end(`data: ${Date.now()}\n\n`);
  response.write(`data: ${Date.now()}\n\n`);
  setTimeout(() => sendEvents(response, left - 1, everyMs), everyMs);
}

/** Each when the one before has been taken; the last ends with the time. */
function sendMegabytes(response, left) {
  if (left === 1) {
    response.write(megabyte.subarray(timeLength));
    return void response.end(String(Date.now()));
  }
  response.write(megabyte, (error) => error ?? sendMegabytes(response, left - 1));
}

/** A WebSocket (RFC 6455) that answers each frame with the time, and a close with a close; /refused takes none. */
server.on("upgrade", (request, socket) => {
  socket.on("error", () => {}); // the client has broken off
  if (request.url === "/refused") {
    const time = String(Date.now());
    return void socket.end(
      `HTTP/1.1 403 Forbidden\r\ncontent-length: ${time.length}\r\nconnection: close\r\n\r\n${time}`,
    );
  }
  const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash("sha1").update(key).digest("base64");
  const head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket";
  socket.write(`${head}\r\nsec-websocket-accept: ${accept}\r\n\r\n`);
  let received = Buffer.alloc(0);
  socket.on("data", (bytes) => {
    received = Buffer.concat([received, bytes]);
    // Frames of clients are masked, and these are short: two bytes, a mask of four, and what the second byte says.
    while (received.length >= 2 && received.length >= 6 + (received[1] & 0x7f)) {
      const isClose = (received[0] & 0x0f) === 8;
      received = received.subarray(6 + (received[1] & 0x7f));
      if (isClose) return void socket.end(Buffer.from([0x88, 0]));
      const time = Buffer.from(String(Date.now()));
      socket.write(Buffer.concat([Buffer.from([0x81, time.length]), time]));
    }
  });
});

process.on("SIGTERM", () => {
  process.stdout.write(`SIGTERM ${Date.now()}\n`, () => process.exit());
});
server.listen(Number(process.env.PORT), "127.0.0.1");

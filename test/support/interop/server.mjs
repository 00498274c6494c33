// A server of node:http and ws, as people write them: what interop tests ask for, directly and through the relays.
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const bytes = Buffer.alloc(1_000_000, "0123456789abcdef");

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  const handle = handlers[pathname];
  if (handle === undefined) response.writeHead(404).end("nothing here");
  else handle(request, response);
});

const handlers = {
  "/hello"(request, response) {
    response.setHeader("X-Query", request.url.split("?")[1] ?? "").end("hello");
  },
  "/page"(_request, response) {
    response.setHeader("content-type", "text/html").end("<!doctype html><title>interop</title>");
  },
  "/file"(request, response) {
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    response.setHeader("Accept-Ranges", "bytes").setHeader("ETag", '"v1"');
    if (request.headers["if-none-match"] === '"v1"') return response.writeHead(304).end();
    if (from === undefined) return response.setHeader("Content-Length", bytes.length).end(bytes);
    const end = to === "" ? bytes.length : Math.min(Number(to) + 1, bytes.length);
    const part = bytes.subarray(Number(from), end);
    response.writeHead(206, {
      "Content-Range": `bytes ${from}-${end - 1}/${bytes.length}`,
      "Content-Length": part.length,
    });
    response.end(part);
  },
  "/sum"(request, response) {
    const hash = createHash("sha256");
    let length = 0;
    request.on("data", (part) => {
      hash.update(part);
      length += part.length;
    });
    request.on("end", () => {
      const { "x-sum": trailer = "" } = request.trailers;
      response.end(`${request.method} ${length} ${hash.digest("hex")} ${trailer}`);
    });
  },
  "/trailers"(_request, response) {
    response.writeHead(200, { Trailer: "X-Sum" });
    response.write("with ");
    response.addTrailers({ "X-Sum": "42" });
    response.end("trailers");
  },
  "/hints"(_request, response) {
    response.writeEarlyHints({ link: "</style.css>; rel=preload; as=style" }, () => response.end("behind hints"));
  },
  "/nothing"(_request, response) {
    response.writeHead(204).end();
  },
  "/events"(_request, response) {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write("data: one\n\n");
    setTimeout(() => response.end("data: two\n\n"), 20);
  },
  "/to-the-end"(_request, response) {
    response.setHeader("Connection", "close");
    response.removeHeader("Transfer-Encoding");
    response.useChunkedEncodingByDefault = false;
    response.write("until ");
    response.end("closed");
  },
};

const sockets = new WebSocketServer({
  server,
  path: "/socket",
  maxPayload: 100 * 1024 * 1024,
  perMessageDeflate: { threshold: 0 },
  handleProtocols: (protocols) => (protocols.has("second") ? "second" : false),
});
sockets.on("connection", (socket) => {
  socket.on("error", () => {}); // of frames that are not as they should be
  socket.on("message", (data, isBinary) => {
    const text = isBinary ? "" : data.toString();
    const [, code, reason] = /^close (\d+) (.*)$/.exec(text) ?? [];
    if (code !== undefined) socket.close(Number(code), reason);
    else if (text === "ping me") socket.ping("are you there?");
    else if (text === "cut") socket.terminate();
    else socket.send(data, { binary: isBinary });
  });
  socket.on("pong", (data) => socket.send(`pong of ${data}`));
});

server.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));

// Speaks like the sidecar of 0.1.9, byte by byte, and has its habits: it counts upgraded connections only, says each bump
// again even where nothing changed, knows whole seconds of the time of day, and ignores SIGTERM. As a program of its own, since
// it runs in Pods as well: node sidecar-019.mjs --serve-port=9090 --upstream-port=8080
import { request as ask, createServer } from "node:http";
import { connect } from "node:net";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { "serve-port": { type: "string", default: "9090" }, "upstream-port": { type: "string", default: "8080" } },
});
const upstream = { host: "127.0.0.1", port: Number(values["upstream-port"]) };

const readers = new Set();
const seconds = () => Math.floor(Date.now() / 1000);
let isReady = false;
let live = 0;
let lastActive = seconds();

function state() {
  if (!isReady) return '{"ready": false}';
  if (live > 0) return `{"ready": true, "live_connections": ${live}}`;
  return `{"ready": true, "seconds_since_active": ${seconds() - lastActive}}`;
}

function chunk() {
  const data = `data: ${state()}\n\n`;
  return `${data.length.toString(16).toUpperCase()}\r\n${data}\r\n`;
}

function bump() {
  lastActive = seconds();
  for (const socket of readers) socket.write(chunk());
}

function sendEvents(socket) {
  const date = new Date().toUTCString();
  const head = `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\ndate: ${date}\r\n\r\n`;
  socket.write(`${head}${chunk()}`);
  readers.add(socket);
  socket.on("close", () => readers.delete(socket));
}

const server = createServer((request, response) => {
  if (request.url.split("?")[0] === "/_events") return sendEvents(request.socket);
  bump();
  const { method, url, headers } = request;
  const asked = ask({ ...upstream, method, path: url, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  asked.on("error", () => request.socket.destroy());
  request.pipe(asked);
});

server.on("upgrade", (request, client, head) => {
  bump();
  const { method, url, headers } = request;
  const program = connect(upstream, () => {
    const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    program.write(`${method} ${url} HTTP/1.1\r\n${fields.join("")}\r\n`);
    program.write(head);
    program.pipe(client).pipe(program);
    live += 1;
    bump();
    program.on("close", () => {
      live -= 1;
      bump();
    });
  });
  client.on("error", () => client.destroy()).on("close", () => program.destroy());
  program.on("error", () => client.destroy()).on("close", () => client.destroy());
});

function lookForProgram() {
  const socket = connect(upstream, () => {
    socket.destroy();
    isReady = true;
    bump();
  });
  socket.on("error", () => setTimeout(lookForProgram, 200));
}

process.on("SIGTERM", () => {});
server.listen(Number(values["serve-port"]), "0.0.0.0", () => console.log(`serving on port ${server.address().port}`));
lookForProgram();

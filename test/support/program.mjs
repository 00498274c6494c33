// A program with every kind of traffic that a session can have, for tests.
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const chunk = Buffer.alloc(1024, "x");

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://program");
  switch (pathname) {
    case "/echo":
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ pid: process.pid, url: request.url, headers: request.headers, env: process.env }));
      return;
    case "/events":
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("data: begun\n\n");
      return;
    case "/poll":
      return; // answers never
    case "/download":
      // A kilobyte each tenth of a second, for as long as is asked.
      response.writeHead(200, { "content-length": chunk.length * Number(searchParams.get("kilobytes")) });
      trickle(response, Number(searchParams.get("kilobytes")));
      return;
    case "/upload":
      request.resume().on("end", () => response.end("thanks"));
      return;
    case "/redirect":
      response.writeHead(302, { location: "/echo", "set-cookie": "a=b; Path=/; HttpOnly" }).end();
      return;
    case "/busy":
      // Says so itself; answers with what it was told.
      sayBusy(Number(searchParams.get("seconds"))).then(
        ({ status }) => response.end(String(status)),
        (error) => response.end(error.cause?.code ?? error.message),
      );
      return;
    case "/job":
      response.end("begun");
      void work(Number(searchParams.get("seconds")));
      return;
    case "/exit":
      process.exit(Number(searchParams.get("code")));
      break;
    default:
      response.end(`${request.method} ${request.url}`);
  }
});

function sayBusy(ttlSeconds) {
  const { SPAWNER_CONTROL_URL: url, SPAWNER_CONTROL_TOKEN: token } = process.env;
  return fetch(`${url}/busy`, {
    method: "PUT",
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ ttlSeconds }),
  });
}

/** A job of some seconds, which says every now and then that it goes on. */
async function work(seconds) {
  const untilMs = Date.now() + seconds * 1000;
  while (Date.now() < untilMs) {
    await sayBusy(30);
    await new Promise((resolve) => setTimeout(resolve, Math.min(250, untilMs - Date.now())));
  }
  await sayBusy(0);
}

function trickle(response, left) {
  if (left === 0 || response.destroyed) return void response.end();
  response.write(chunk);
  setTimeout(() => trickle(response, left - 1), 100);
}

const sockets = new WebSocketServer({ noServer: true });
server.on("upgrade", (request, socket, head) => {
  if (request.url === "/half-open") {
    // Takes the upgrade, and never closes its half of the connection, whatever the client does.
    socket.allowHalfOpen = true;
    socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n");
    socket.resume();
    return;
  }
  sockets.handleUpgrade(request, socket, head, (websocket) => websocket.on("message", (data) => websocket.send(data)));
});

const delayMs = Number(process.env.LISTEN_AFTER_MS ?? 0);
setTimeout(() => server.listen(Number(process.env.PORT), "127.0.0.1"), delayMs);

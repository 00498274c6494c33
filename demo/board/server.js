// A shared drawing board. All of its state is in this process: Spawner starts one of them for each board, and ends it
// when the last who draws on it has left. All that it knows of Spawner is PORT, and who somebody is where that is told.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

/** @typedef {{ id: number, color: number, width: number, points: number[] }} Stroke points: x, y, x, y, … */
/** @typedef {{ id: number, name: string, color: number }} Person */

const pointsMax = 200_000;
const pointsPerStrokeMax = 20_000;
const numbersPerMessageMax = 4_000;
const colorCount = 8;
const heartbeatMs = 20_000;

const animals = ["Otter", "Heron", "Lynx", "Badger", "Finch", "Marten", "Newt", "Ibex", "Wren", "Hare", "Seal", "Moth"];
const moods = ["Quick", "Calm", "Bold", "Merry", "Wise", "Shy", "Keen", "Lucky", "Sunny", "Brave"];

/** @type {Map<number, Stroke>} oldest first */
const strokes = new Map();
/** @type {Map<import("ws").WebSocket, Person>} */
const people = new Map();
let lastId = 0;
let pointCount = 0;

const files = new Map([
  ["/", ["index.html", "text/html; charset=utf-8"]],
  ["/board.js", ["board.js", "text/javascript; charset=utf-8"]],
  ["/board.css", ["board.css", "text/css; charset=utf-8"]],
]);

const server = createServer(async (request, response) => {
  const [file, type] = files.get((request.url ?? "").split("?")[0]) ?? [];
  if (file === undefined || (request.method !== "GET" && request.method !== "HEAD")) {
    response.writeHead(404, { "content-type": "text/plain" }).end("Not found\n");
    return;
  }
  const body = await readFile(new URL(`public/${file}`, import.meta.url));
  response.writeHead(200, {
    "content-type": type,
    "content-length": body.length,
    "cache-control": "no-cache",
    "content-security-policy": "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:",
  });
  response.end(request.method === "HEAD" ? undefined : body);
});

const sockets = new WebSocketServer({ server, path: "/socket", maxPayload: 64 * 1024 });

sockets.on("connection", (socket, request) => {
  const person = personOf(request);
  const { id } = person;
  const board = { you: person, people: [...people.values()], strokes: [...strokes.values()] };
  const place = { pid: process.pid, startedAt: new Date(Date.now() - process.uptime() * 1000).toISOString() };
  // Where the application has its own page for this board: others get in by that, and not by the address here.
  const link = process.env.BOARD_LINK;
  send(socket, { type: "hello", ...board, ...place, link });
  people.set(socket, person);
  tellOthers(socket, { type: "joined", person });

  socket.on("message", (data, isBinary) => {
    if (socket.readyState !== socket.OPEN) return; // behind a message for which it is being closed
    const message = isBinary ? undefined : parse(String(data));
    if (message === undefined || !act(socket, person, message)) socket.close(1008, "not a message of the board");
  });
  socket.on("error", () => {}); // close follows
  socket.on("close", () => {
    people.delete(socket);
    tellOthers(socket, { type: "left", id });
  });
  let isAlive = true;
  socket.on("pong", () => {
    isAlive = true;
  });
  const heartbeat = setInterval(() => {
    if (!isAlive) socket.terminate();
    isAlive = false;
    socket.ping();
  }, heartbeatMs);
  socket.on("close", () => clearInterval(heartbeat));
});

/**
 * Who this is: by the name that Spawner says, which nobody can forge, or else by one made up.
 * @param {import("node:http").IncomingMessage} request @returns {Person}
 */
function personOf({ headers }) {
  const id = ++lastId;
  const pick = (/** @type {string[]} */ words) => words[Math.floor(Math.random() * words.length)];
  const name = String(headers["x-spawner-user"] ?? `${pick(moods)} ${pick(animals)}`);
  const known = [...people.values()].find((person) => person.name === name);
  return { id, name, color: known?.color ?? id % colorCount };
}

/**
 * Does what a client asks for. False if it is not a message of the board.
 * @param {import("ws").WebSocket} socket @param {Person} person @param {any} message
 */
function act(socket, person, message) {
  switch (message.type) {
    case "draw": {
      const { stroke, color, width, points } = message;
      if (!isCount(stroke, 2 ** 31) || !isCount(color, colorCount + 1) || !isCount(width, 100) || !arePoints(points))
        return false;
      const id = person.id * 2 ** 32 + stroke;
      if (!hasRoom(id, points)) return false;
      tellOthers(socket, { type: "drawn", stroke: id, color, width, points });
      extend(id, { color, width, points });
      return true;
    }
    case "cursor":
      if (!arePoints(message.at) || message.at.length !== 2) return false;
      tellOthers(socket, { type: "cursor", id: person.id, at: message.at });
      return true;
    case "clear":
      strokes.clear();
      pointCount = 0;
      tellOthers(undefined, { type: "cleared", by: person.name });
      return true;
    default:
      return false;
  }
}

/** Adds points to a stroke. Where there are too many points, the oldest strokes go, and everybody is told. */
function extend(/** @type {number} */ id, /** @type {Omit<Stroke, "id">} */ { color, width, points }) {
  const stroke = strokes.get(id) ?? { id, color, width, points: [] };
  stroke.points.push(...points);
  strokes.set(id, stroke);
  pointCount += points.length / 2;
  for (const [oldest, { points: dropped }] of strokes) {
    if (pointCount <= pointsMax) return;
    pointCount -= dropped.length / 2;
    strokes.delete(oldest);
    tellOthers(undefined, { type: "dropped", stroke: oldest });
  }
}

/** Whether a stroke may have these points too: one alone never fills the board. */
function hasRoom(/** @type {number} */ id, /** @type {number[]} */ points) {
  return ((strokes.get(id)?.points.length ?? 0) + points.length) / 2 <= pointsPerStrokeMax;
}

/** @param {string} text */
function parse(text) {
  try {
    const message = JSON.parse(text);
    return typeof message === "object" && message !== null ? message : undefined;
  } catch {
    return undefined;
  }
}

/** @param {unknown} value @param {number} below */
function isCount(value, below) {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) < below;
}

/** @param {unknown} value */
function arePoints(value) {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.length % 2 === 0 &&
    value.length <= numbersPerMessageMax &&
    value.every((number) => Number.isFinite(number) && Math.abs(number) < 1e6)
  );
}

/** @param {import("ws").WebSocket} socket @param {object} message */
function send(socket, message) {
  if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
}

/** @param {import("ws").WebSocket | undefined} from @param {object} message */
function tellOthers(from, message) {
  for (const socket of people.keys()) if (socket !== from) send(socket, message);
}

process.on("SIGTERM", () => {
  for (const socket of sockets.clients) socket.close(1001, "the board has ended");
  server.close();
  setTimeout(() => process.exit(0), 500).unref();
});

server.listen(Number(process.env.PORT ?? 8000), process.env.HOST ?? "127.0.0.1", () => {
  const { address, port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  console.log(`The board is at http://${address}:${port}/`);
});

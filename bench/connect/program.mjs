// A program that says when it began and when it listened, in milliseconds since 1970.
import { createServer } from "node:http";

const startedAtMs = performance.timeOrigin;
let listeningAtMs = 0;
createServer((_, response) => response.end(JSON.stringify({ startedAtMs, listeningAtMs }))).listen(
  Number(process.env.PORT),
  "127.0.0.1",
  () => {
    listeningAtMs = performance.timeOrigin + performance.now();
  },
);

// A program for lives that are cut short: node program.mjs FOLDER BEHAVIOUR. It notes in FOLDER/programs when it starts,
// whether another one of the same backend lives then, and when it is asked to end.
import { appendFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

const [, , folder, behaviour] = process.argv;
const note = (entry) => appendFileSync(join(folder, "programs"), `${JSON.stringify(entry)}\n`);

/** Zombies have no environment any more. */
function isOfOurBackend(pid) {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
    return `\0${environment}`.includes(`\0SPAWNER_BACKEND=${process.env.SPAWNER_BACKEND}\0`);
  } catch {
    return false; // gone, or another user's
  }
}

const others = readdirSync("/proc").filter(
  (pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid && isOfOurBackend(pid),
);
const port = Number(process.env.PORT);
note({ kind: "started", pid: process.pid, port, others: others.map(Number) });
console.log("begun");

process.on("SIGTERM", () => {
  note({ kind: "asked to end", pid: process.pid });
  if (behaviour !== "stubborn") process.exit(0);
});

const server = createServer((request, response) => {
  if (request.url === "/forever") response.write("begun\n");
  else response.end("served\n");
});
const listen = () => server.listen(port, "127.0.0.1");
switch (behaviour) {
  case "fails":
    console.error("cannot go on");
    process.exit(3);
    break;
  case "ends":
    process.exit(0);
    break;
  case "listens-when-told":
    server.on("error", () => setInterval(() => {}, 1_000)); // goes on, and is of no use to anybody
    listenWhenTold();
    break;
  case "listens-or-ends":
    server.on("error", () => process.exit(1));
    listenWhenTold();
    break;
  default:
    listen();
}

/** Whoever is to listen on the port before us does so by the time this file is there. */
function listenWhenTold() {
  const look = setInterval(() => {
    if (!existsSync(join(folder, "listen"))) return;
    clearInterval(look);
    listen();
  }, 5);
}

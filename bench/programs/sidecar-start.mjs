// Run in a Pod of Spawner's image: starts the sidecar and a Node that only listens in turn, and prints how long each took to
// accept a connection, in ms. node sidecar-start.mjs ROUNDS
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";

const port = 9090;
const bare = `require("node:net").createServer().listen(${port})`;
const sidecar = ["/app/dist/sidecar.js", `--serve-port=${port}`, "--control-port=9091", "--upstream-port=8080"];
const rounds = Number(process.argv.at(-1));

const times = { sidecarMs: [], bareMs: [] };
for (let round = -1; round < rounds; round += 1) {
  const pair = { sidecarMs: await timeOf(sidecar), bareMs: await timeOf(["--eval", bare]) };
  // In the first one, files are read that are in memory from then on.
  if (round >= 0) for (const [name, ms] of Object.entries(pair)) times[name].push(ms);
}
console.log(JSON.stringify(times));

async function timeOf(args) {
  const startMs = performance.now();
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
  while (!(await accepts())) await new Promise((resolve) => setTimeout(resolve, 0.5));
  const tookMs = performance.now() - startMs;
  child.kill("SIGKILL");
  await once(child, "exit");
  return tookMs;
}

function accepts() {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const settle = (isOpen) => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.on("connect", () => settle(true)).on("error", () => settle(false));
  });
}

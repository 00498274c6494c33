// Run in a Pod of Spawner's image: starts the sidecar and a Node that only listens in turn, and prints how long each took to
// accept a connection, in ms. node sidecar-start.mjs ROUNDS PORT SIDECAR-COMMAND...
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";

const [rounds, port, ...sidecar] = process.argv.slice(1);
const bare = ["node", "--eval", `require("node:net").createServer().listen(${port})`];

const times = { sidecarMs: [], bareMs: [] };
for (let round = -1; round < rounds; round += 1) {
  const pair = { sidecarMs: await timeOf(sidecar), bareMs: await timeOf(bare) };
  // In the first one, files are read that are in memory from then on.
  if (round >= 0) for (const [name, ms] of Object.entries(pair)) times[name].push(ms);
}
console.log(JSON.stringify(times));

async function timeOf([program, ...args]) {
  const startMs = performance.now();
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] });
  while (!(await accepts())) await new Promise((resolve) => setTimeout(resolve, 0.5));
  const tookMs = performance.now() - startMs;
  child.kill();
  await once(child, "exit");
  return tookMs;
}

function accepts() {
  return new Promise((resolve) => {
    const socket = connect(Number(port), "127.0.0.1");
    const settle = (isOpen) => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.on("connect", () => settle(true)).on("error", () => settle(false));
  });
}

import { setTimeout as sleep } from "node:timers/promises";
import { sidecarNodeFlags } from "../../packages/server/src/engine/kubernetes/sidecar-container.ts";
import type { Contender } from "./contender.ts";
import { openIdleWebSockets } from "./native.ts";
import { freePort, memoryOf, proxyCore, startPinned, untilListening } from "./processes.ts";

/** What a proxy that has served nobody holds, and what it holds more for each WebSocket that is open and silent. */
export interface Footprint {
  readonly privateMB: number;
  readonly residentMB: number;
  readonly kBPerWebSocket: number;
}

const webSockets = 1_000;

/** Of a contender that was just started; memory is looked at when nothing has happened for `settleMs`. */
export async function measureFootprint(
  { port, prefix, pid = 0 }: Contender,
  { load, settleMs }: { load: string; settleMs: number },
): Promise<Footprint> {
  await sleep(settleMs);
  const atRest = memoryOf(pid);
  const close = await openIdleWebSockets(load, { port, target: `${prefix}/echo`, count: webSockets });
  await sleep(settleMs);
  const withThem = memoryOf(pid);
  await close();
  return { ...atRest, kBPerWebSocket: ((withThem.privateMB - atRest.privateMB) * 1_024) / webSockets };
}

/** A program of Node that only listens: less than that no program of Node can take. */
const bare = "require('node:net').createServer().listen(Number(process.argv[1]), '127.0.0.1')";

/** From a program's start until it accepts a connection, in ms: the sidecar, as a Pod starts it, and the bare program beside it. */
export async function measureStart(sidecarFile: string): Promise<{ sidecarMs: number; bareMs: number }> {
  const port = await freePort();
  const flags = ["--host", "127.0.0.1", "--serve-port", `${port}`, "--control-port", "0", "--upstream-port", "1"];
  const sidecarMs = await timeUntilServing(port, [...sidecarNodeFlags, sidecarFile, ...flags]);
  const barePort = await freePort();
  return { sidecarMs, bareMs: await timeUntilServing(barePort, ["-e", bare, `${barePort}`]) };
}

async function timeUntilServing(port: number, args: readonly string[]): Promise<number> {
  const startMs = performance.now();
  const { child, stop } = startPinned({ core: proxyCore, program: process.execPath, args });
  child.stdout?.resume();
  await untilListening(port, { pollMs: 0.5 });
  const tookMs = performance.now() - startMs;
  await stop();
  return tookMs;
}

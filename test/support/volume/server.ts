import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { startServed } from "../served.ts";

const program = fileURLToPath(new URL("program.mjs", import.meta.url));

/** A server as a process of its own, gateway and relay host in it, and a session whose program sends and takes many bytes. */
export async function startVolume() {
  const stateDir = mkdtempSync(join(tmpdir(), "spawner-volume-"));
  const served = await startServed({ stateDir, command: [process.execPath, program] });
  onTestFinished(async () => {
    served.killSessions();
    await served.close("SIGKILL");
    rmSync(stateDir, { recursive: true, force: true });
  });
  const id = await served.spawn();
  const { hostname, port } = new URL(served.url);
  await served.ask(`/${id}/?bytes=1`); // it is ready then
  return {
    path: `/${id}/`,
    connect: () => connect({ host: hostname, port: Number(port) }),
    /** What the process has had in memory at most (Linux). */
    peakBytes: () => peakOf(served.pid),
  };
}

function peakOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(text)?.[1] ?? Number.NaN) * 1024;
}

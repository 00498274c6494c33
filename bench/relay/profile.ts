import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runLoad } from "./native.ts";
import { startSidecar } from "./ours.ts";
import type { Scenario } from "./scenarios.ts";

/** What V8 writes with --cpu-prof, as far as it is read (the Profile type of the Chrome DevTools Protocol). */
interface CpuProfile {
  readonly nodes: readonly { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface SelfTime {
  readonly what: string;
  /** Of all the time in which JavaScript, or what it called, ran. */
  readonly share: number;
}

/** Where a sidecar spends its time under a load: by function, without what these call, the most first. */
export async function profileSidecar(
  scenario: Scenario,
  {
    load,
    sidecarFile,
    upstreamPort,
    folder,
  }: { load: string; sidecarFile: string; upstreamPort: number; folder: string },
): Promise<SelfTime[]> {
  const sidecar = await startSidecar(sidecarFile, upstreamPort, ["--cpu-prof", `--cpu-prof-dir=${folder}`]);
  const { port } = sidecar;
  await runLoad(load, { ...scenario.load, port, seconds: 6 });
  await sidecar.stop();
  const [file] = readdirSync(folder);
  if (file === undefined) throw new Error("the sidecar wrote no profile");
  return selfTimes(JSON.parse(readFileSync(join(folder, file), "utf8")) as CpuProfile);
}

function selfTimes({ nodes, samples, timeDeltas }: CpuProfile): SelfTime[] {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, describe(callFrame)]));
  const times = new Map<string, number>();
  for (const [index, id] of samples.entries()) {
    const name = names.get(id) ?? "";
    // Reading and waiting, both in libuv, count as idle for V8.
    if (name !== "(idle)") times.set(name, (times.get(name) ?? 0) + (timeDeltas[index] ?? 0));
  }
  const all = [...times.values()].reduce((sum, each) => sum + each, 0);
  return [...times].sort(([, a], [, b]) => b - a).map(([what, time]) => ({ what, share: time / all }));
}

function describe({ functionName, url, lineNumber }: CpuProfile["nodes"][number]["callFrame"]): string {
  const file = url.split("/").at(-1) ?? "";
  return `${functionName || "(anonymous)"}${file === "" ? "" : ` ${file}:${lineNumber + 1}`}`;
}

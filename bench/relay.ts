// What the relay costs, beside nginx, HAProxy, configurable-http-proxy, and a Node that only copies (Linux):
//   npm run bench:relay -- [--quick] [--full] [--profile] [--rounds COUNT] [--json FILE] [--plots FOLDER] [--table FILE]
// Every proxy has one core, load and upstream have another; all are put under each load in turn, round after round. The
// peers are Debian's (apt-get install nginx-light haproxy), the load is compiled (gcc). --profile says in place of all that
// where a sidecar spends its time.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { judgeBudgets, type Measured } from "./relay/budgets.ts";
import { type Contender, type ContenderName, contenderNames, pathsMany } from "./relay/contender.ts";
import { compileNative } from "./relay/native.ts";
import { buildGateway, startGateway, startSidecar, startTokenGateway } from "./relay/ours.ts";
import { requirePeers, startCopy, startHaproxy, startNginx, startNodeProxy } from "./relay/peers.ts";
import { barChart } from "./relay/plot.ts";
import { loadCore, startPinned, untilOutput } from "./relay/processes.ts";
import { profileSidecar } from "./relay/profile.ts";
import { printBudgets, printFootprints, printSamples, relativeRates } from "./relay/report.ts";
import { type Footprint, measureFootprint, measureStart } from "./relay/resources.ts";
import { measureRounds } from "./relay/rounds.ts";
import { judgedScenarios, moreScenarios, type Scenario, scenarios } from "./relay/scenarios.ts";
import { tablesOf } from "./relay/table.ts";

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean" },
    full: { type: "boolean" },
    profile: { type: "boolean" },
    rounds: { type: "string" },
    json: { type: "string" },
    plots: { type: "string" },
    table: { type: "string" },
  },
});
const rounds = Number(flags.rounds ?? (flags.quick ? 3 : 9));
const seconds = flags.quick ? 0.2 : 1;

/** Above this, others are at work here, and the figures say little. */
const loadAverageMax = 1;

if (availableParallelism() < 2) throw new Error("two cores are needed: one for the proxies, one for the load");
requirePeers();
const folder = mkdtempSync(join(tmpdir(), "spawner-bench-"));
const stops: (() => Promise<void>)[] = [];
try {
  const nativeProgram = compileNative(folder);
  const load = nativeProgram("load");
  const sidecarFile = buildSidecar();
  const gatewayFile = await buildGateway(folder);
  const upstreamPort = await startUpstream(nativeProgram("upstream"));
  const ground: Ground = { load, sidecarFile, gatewayFile, upstreamPort };
  if (flags.profile) await printProfiles(ground);
  else await compareAll(ground);
} finally {
  for (const stop of stops.reverse()) await stop();
  rmSync(folder, { recursive: true, force: true });
}

interface Ground {
  readonly load: string;
  readonly sidecarFile: string;
  readonly gatewayFile: string;
  readonly upstreamPort: number;
}

async function compareAll(ground: Ground): Promise<void> {
  const { load } = ground;
  const [loadAverage = 0] = loadavg();
  const isBusy = loadAverage > loadAverageMax ? ": OTHERS ARE AT WORK, the figures say little" : "";
  console.log(`${availableParallelism()} cores, load average ${loadAverage.toFixed(1)} before${isBusy}`);
  const { footprints, starts } = await measureResources(ground);
  const contenders = await startAll(ground);
  const chosen: readonly Scenario[] = [
    ...(flags.quick && !flags.full ? judgedScenarios : Object.values(scenarios)),
    ...(flags.full ? moreScenarios : []),
  ];
  const samples = await measureRounds(contenders, chosen, {
    load,
    rounds,
    seconds,
    tell: (text) => console.error(text),
  });
  const measured: Measured = { samples, footprints, starts };
  const budgets = judgeBudgets(measured);
  printSamples(measured);
  printFootprints(measured);
  printBudgets(budgets);
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(budgets, null, 2)}\n`);
  if (flags.plots !== undefined) writePlots(flags.plots, measured);
  if (flags.table !== undefined) writeFileSync(flags.table, tablesOf(measured, budgets));
}

function buildSidecar(): string {
  const script = fileURLToPath(new URL("../scripts/build.mjs", import.meta.url));
  execFileSync(process.execPath, [script, "--out", join(folder, "build")], { stdio: "inherit" });
  return join(folder, "build/spawner/dist/sidecar.cjs");
}

async function startUpstream(program: string): Promise<number> {
  const { child, stop } = startPinned({ core: loadCore, program, args: [] });
  stops.push(stop);
  const [, port] = await untilOutput(child, /(\d+)\n/);
  return Number(port);
}

async function keep(starting: Promise<Contender>): Promise<Contender> {
  const contender = await starting;
  stops.push(() => contender.stop());
  return contender;
}

async function startAll({ sidecarFile, gatewayFile, upstreamPort }: Ground): Promise<Contender[]> {
  const sidecar = await keep(startSidecar(sidecarFile, upstreamPort));
  const nginx = await keep(startNginx(folder, upstreamPort, { byPath: false }));
  const contenders = [
    sidecar,
    nginx,
    await keep(startHaproxy(folder, upstreamPort, { byPath: false })),
    await keep(startCopy(upstreamPort)),
    await keep(startGateway(gatewayFile, upstreamPort, 1)),
    await keep(startGateway(gatewayFile, upstreamPort, pathsMany)),
    await keep(startTokenGateway(gatewayFile, upstreamPort)),
    await keep(startNginx(folder, upstreamPort, { byPath: true })),
    await keep(startHaproxy(folder, upstreamPort, { byPath: true })),
    await keep(startNodeProxy(upstreamPort)),
    { name: contenderNames.direct, port: upstreamPort, prefix: "", pid: undefined, cookie: "", stop: async () => {} },
  ];
  if (!flags.full) return contenders;
  const chain = await keep(startGateway(gatewayFile, sidecar.port, pathsMany));
  const nginxChain = await keep(startNginx(folder, nginx.port, { byPath: true }));
  // Of two in a row the CPU time of one would say little.
  const both = { pid: undefined };
  return [
    ...contenders,
    { ...chain, ...both, name: contenderNames.chain },
    { ...nginxChain, ...both, name: contenderNames.nginxChain },
  ];
}

/** Each in a process of its own that has served nobody. */
async function measureResources({
  load,
  sidecarFile,
  gatewayFile,
  upstreamPort,
}: Ground): Promise<Omit<Measured, "samples">> {
  const footprints = new Map<ContenderName, Footprint[]>();
  const starts: { sidecarMs: number; bareMs: number }[] = [];
  for (let round = 0; round < (flags.quick ? 1 : 3); round += 1) {
    for (const start of [
      () => startSidecar(sidecarFile, upstreamPort),
      () => startNginx(folder, upstreamPort, { byPath: false }),
      () => startHaproxy(folder, upstreamPort, { byPath: false }),
      () => startCopy(upstreamPort),
      () => startGateway(gatewayFile, upstreamPort, pathsMany),
      () => startNodeProxy(upstreamPort),
    ]) {
      const contender = await start();
      const settleMs = flags.quick ? 600 : 1_500;
      const footprint = await measureFootprint(contender, { load, settleMs }).finally(() => contender.stop());
      footprints.set(contender.name, [...(footprints.get(contender.name) ?? []), footprint]);
    }
  }
  for (let round = 0; round < (flags.quick ? 5 : 15); round += 1) starts.push(await measureStart(sidecarFile));
  return { footprints, starts };
}

async function printProfiles(ground: Ground): Promise<void> {
  for (const scenario of [scenarios.small50, scenarios.websocket100]) {
    const own = mkdtempSync(join(folder, "profile-"));
    const times = await profileSidecar(scenario, { ...ground, folder: own });
    console.log(`\n${scenario.name}: where the sidecar's time goes, without reading and waiting`);
    for (const { what, share } of times.slice(0, 30))
      console.log(`  ${(share * 100).toFixed(1).padStart(5)} %  ${what}`);
  }
}

function writePlots(plots: string, { samples }: Measured): void {
  mkdirSync(plots, { recursive: true });
  const { sidecar, gateway, gatewayMany, gatewayTokens } = contenderNames;
  const ours: readonly ContenderName[] = [sidecar, gateway, gatewayMany, gatewayTokens];
  for (const [key, scenario] of Object.entries(scenarios)) {
    const of = samples.get(scenario);
    if (of === undefined) continue;
    const names = scenario.contenders.filter((name) => name !== contenderNames.direct);
    const bars = names.map((name) => ({ name, spread: relativeRates(of, name), isOurs: ours.includes(name) }));
    const title = `${scenario.name}: rate, x nginx that does the same`;
    writeFileSync(join(plots, `relay-${key}.svg`), barChart({ title, bars, mark: 1 }));
  }
}

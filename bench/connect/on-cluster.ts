import { readFileSync } from "node:fs";
import { install } from "../../test/support/cluster/install.ts";
import { testImage } from "../../test/support/cluster/overlay.ts";
import { type BudgetResult, limited } from "../relay/budgets.ts";
import { spreadOf } from "../relay/statistics.ts";
import { type CallersResult, runCallers } from "./callers.ts";

const source = readFileSync(new URL("../programs/listens.mjs", import.meta.url)).toString("base64");
/** By NODE_OPTIONS, so that the one image that a cluster has for this is image enough. */
const session = {
  key: "document",
  image: testImage,
  env: { NODE_OPTIONS: `--import=data:text/javascript;base64,${source}` },
  gracePeriodSeconds: 3_600,
};

/** What a connect to a live key takes on the cluster in KUBECONFIG, asked of the API's Service from here. */
export async function connectOnCluster(options: {
  rounds: number;
  forMs: number;
}): Promise<Record<string, BudgetResult>> {
  const { rounds, forMs } = options;
  const spawner = await install({ of: "overlays/local" });
  // Nothing is left on the cluster of a run that is cut short.
  process.once("SIGINT", () => void spawner.dispose().finally(() => process.exit(1)));
  try {
    const { hostname: host, port } = new URL(spawner.apiUrl);
    await untilReady(spawner.apiUrl);
    const ask = (callers: number) => runCallers({ host, port: Number(port), path: "/connect", callers, forMs, body });
    await ask(1); // for warming up
    const alone = await inRounds(rounds, () => ask(1));
    const together = await inRounds(rounds, () => ask(10));
    console.log(`connects to a live key on a cluster, ${rounds} rounds (medians):`);
    console.log(`   1 caller    ${show(alone)}\n  10 callers   ${show(together)}`);
    const p50Ms = quantilesOf(alone, 0.5);
    return {
      "connect to a live key on a cluster, one caller, median": limited(p50Ms, { budget: 4, unit: "ms" }),
      "connect to a live key on a cluster, one caller, median (aim)": limited(p50Ms, { budget: 2, unit: "ms" }),
    };
  } finally {
    await spawner.dispose();
  }
}

async function inRounds(rounds: number, ask: () => Promise<CallersResult>): Promise<CallersResult[]> {
  const results: CallersResult[] = [];
  for (let round = 0; round < rounds; round++) results.push(await ask());
  return results;
}

function quantilesOf(results: readonly CallersResult[], share: number): number[] {
  const sorted = results.map(({ tookMs }) => tookMs.toSorted((a, b) => a - b));
  return sorted.map((took) => took[Math.floor(share * (took.length - 1))] ?? Number.NaN);
}

function show(results: readonly CallersResult[]): string {
  const median = (values: readonly number[]) => spreadOf(values).median;
  const [p50, p99] = [0.5, 0.99].map((share) => median(quantilesOf(results, share)).toFixed(2));
  const perSecond = median(results.map((result) => result.perSecond)).toFixed(0);
  return `p50 ${p50} ms, p99 ${p99} ms, ${perSecond} a second`;
}

function body(caller: number): string {
  return JSON.stringify({ ...session, user: `user-${caller}` });
}

/** The first connects start the key's backend, and may come before the keys that tokens are signed with. */
async function untilReady(apiUrl: string): Promise<void> {
  const untilMs = performance.now() + 120_000;
  for (;;) {
    const response = await fetch(`${apiUrl}/connect`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...session, waitReady: true }),
    });
    const text = await response.text();
    if (response.ok && JSON.parse(text).state === "Ready") return;
    if (performance.now() > untilMs) throw new Error(`the backend was not ready in time: ${text}`);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

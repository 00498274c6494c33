// Spawner on a cluster beside bare Pods, and what its parts cost there:
//   npm run bench:cluster -- [--quick] [--json FILE]
// It runs on the cluster in KUBECONFIG, whose Pods and Services have to be reachable from here, with the image that
// SPAWNER_TEST_IMAGE names (npm run image builds it; the nodes must have it). All is in a namespace of its own, which is deleted
// at the end. SPAWNER_TEST_AUDIT_LOG names the API server's audit log, of all writes, where it is on this machine.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type AtOnce, measureAtOnce } from "./cluster/at-once.ts";
import { judgeBudgets, type Measured } from "./cluster/budgets.ts";
import { type Contender, contenders } from "./cluster/contenders.ts";
import { haveTwoControllers, measureTakeover, type Takeover } from "./cluster/leader.ts";
import { memoryOfRoles } from "./cluster/memory.ts";
import {
  printAtOnce,
  printMemory,
  printSidecarStart,
  printSteps,
  printTakeovers,
  printWrites,
  type RoleMemories,
} from "./cluster/report.ts";
import { measureSidecarMemory, measureSidecarStart } from "./cluster/sidecar.ts";
import { openStage } from "./cluster/stage.ts";
import { measureStart, type StartTimes } from "./cluster/start-times.ts";
import { type Life, liveOnce } from "./cluster/writes.ts";
import { printBudgets } from "./relay/report.ts";

const { values: flags } = parseArgs({ options: { quick: { type: "boolean" }, json: { type: "string" } } });
const counts = flags.quick
  ? { rounds: 4, lives: 1, atOnce: [1, 10], sidecars: 3, sidecarStarts: 5, takeovers: 1 }
  : { rounds: 30, lives: 5, atOnce: [1, 10, 100], sidecars: 5, sidecarStarts: 20, takeovers: 3 };

tell("installing");
const stage = await openStage();
try {
  await measureRound(0); // loads what is loaded on first use
  const atRest = await memoryOfRoles(stage);
  const rounds: Measured["rounds"] = await inTurn(counts.rounds, measureRound, "round");
  printSteps(rounds);
  const lives = await measureLives();
  printWrites(lives);
  const { atOnce, memories } = await measureCrowds();
  printAtOnce(atOnce);
  tell("the sidecar");
  const sidecars = await measureSidecarMemory(stage, counts.sidecars);
  printMemory([{ what: "at rest", of: atRest }, ...memories], sidecars);
  const sidecarStart = await measureSidecarStart(stage, counts.sidecarStarts);
  printSidecarStart(sidecarStart);
  await haveTwoControllers(stage);
  const takeovers: Takeover[] = await inTurn(counts.takeovers, () => measureTakeover(stage), "killing the leader,");
  printTakeovers(takeovers);
  const budgets = judgeBudgets({ rounds, lives, roles: atRest, sidecars, sidecarStart, takeovers });
  printBudgets(budgets);
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(budgets, null, 2)}\n`);
  if (takeovers.some(({ doubled }) => doubled.length > 0)) process.exitCode = 1;
} finally {
  await stage.close();
}

/** Each contender once; who goes first changes. */
async function measureRound(index: number): Promise<Record<Contender, StartTimes>> {
  const order = contenders.map((_, place) => contenders[(place + index) % contenders.length] ?? contenders[0]);
  const times: Partial<Record<Contender, StartTimes>> = {};
  for (const contender of order) times[contender] = await measureStart(contender, stage);
  return times as Record<Contender, StartTimes>;
}

async function measureLives(): Promise<Life[] | undefined> {
  const { audit } = stage;
  if (audit === undefined) return undefined;
  const rounds = await inTurn(
    counts.lives,
    async () => {
      const lives: Life[] = [];
      for (const contender of contenders) lives.push(await liveOnce(contender, stage, audit));
      return lives;
    },
    "life",
  );
  return rounds.flat();
}

/** Many at once, and what the roles hold while they are there. */
async function measureCrowds(): Promise<{ atOnce: AtOnce[]; memories: RoleMemories[] }> {
  const atOnce: AtOnce[] = [];
  const memories: RoleMemories[] = [];
  for (const count of counts.atOnce) {
    for (const contender of contenders) {
      tell(`${count} at once, ${contender}`);
      const whenAllAreReady = async () => {
        if (contender === "Spawner") memories.push({ what: `with ${count} backends`, of: await memoryOfRoles(stage) });
      };
      atOnce.push(await measureAtOnce(contender, { stage, count, whenAllAreReady }));
    }
  }
  return { atOnce, memories };
}

async function inTurn<Result>(
  times: number,
  measure: (index: number) => Promise<Result>,
  what: string,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let index = 0; index < times; index += 1) {
    tell(`${what} ${index + 1} of ${times}`);
    results.push(await measure(index));
  }
  return results;
}

function tell(text: string): void {
  process.stderr.write(`${text} …\n`);
}

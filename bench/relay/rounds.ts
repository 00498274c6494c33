import type { Contender, ContenderName } from "./contender.ts";
import { runLoad } from "./native.ts";
import { cpuUsOf } from "./processes.ts";
import type { Scenario } from "./scenarios.ts";

/** What a contender did in one round. */
export interface Sample {
  /** Requests or messages a second. */
  readonly rate: number;
  /** CPU time of the proxy for each; NaN where there is none. */
  readonly cpuUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** Of one scenario: the samples of each contender, one a round. */
export type Samples = ReadonlyMap<ContenderName, readonly Sample[]>;

export interface RoundOptions {
  readonly load: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly tell: (text: string) => void;
}

/**
 * Puts all contenders under each load in turn, round after round, so that a machine that is busy for a while is so for all.
 * A first round, which does not count, is for programs to be compiled as they run.
 */
export async function measureRounds(
  contenders: readonly Contender[],
  scenarios: readonly Scenario[],
  { load, rounds, seconds, tell }: RoundOptions,
): Promise<Map<Scenario, Samples>> {
  const results = new Map(scenarios.map((scenario) => [scenario, new Map<ContenderName, Sample[]>()]));
  for (let round = 0; round <= rounds; round += 1) {
    tell(round === 0 ? "a first round that does not count" : `round ${round} of ${rounds}`);
    for (const [scenario, samples] of results) {
      for (const contender of contenders.filter(({ name }) => scenario.contenders.includes(name))) {
        const sample = await measure(contender, scenario, { load, seconds });
        if (round > 0) samples.set(contender.name, [...(samples.get(contender.name) ?? []), sample]);
      }
    }
  }
  return results;
}

/** Where nothing was answered in time, on a machine that has much else to do, it gets ten times as long. */
async function measure(
  contender: Contender,
  scenario: Scenario,
  { load, seconds }: { load: string; seconds: number },
): Promise<Sample> {
  const sample =
    (await measureOnce(contender, scenario, { load, seconds })) ??
    (await measureOnce(contender, scenario, { load, seconds: seconds * 10 }));
  if (sample === undefined) throw new Error(`${contender.name} answered nothing: ${scenario.name}`);
  return sample;
}

async function measureOnce(
  { port, prefix, pid, cookie }: Contender,
  { load }: Scenario,
  { load: program, seconds }: { load: string; seconds: number },
): Promise<Sample | undefined> {
  const cpuUs = () => (pid === undefined ? Number.NaN : cpuUsOf(pid));
  const beforeUs = cpuUs();
  const result = await runLoad(program, { ...load, port, target: `${prefix}${load.target}`, seconds, cookie });
  if (result.answered === 0) return undefined;
  return {
    rate: result.answered / result.seconds,
    cpuUs: (cpuUs() - beforeUs) / result.answered,
    p50Us: result.p50Us,
    p99Us: result.p99Us,
  };
}

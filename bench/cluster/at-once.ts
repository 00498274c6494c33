import { untilAnswered } from "./answers.ts";
import { type Contender, end, type Start, start } from "./contenders.ts";
import { type Stage, untilReady, waitMsMax } from "./stage.ts";

/** So many sessions asked for in one moment: until the last of them was there, in ms. */
export interface AtOnce {
  readonly contender: Contender;
  readonly count: number;
  readonly answeredMs: number;
  /** Until the record of the last said so; undefined of bare Pods. */
  readonly readyMs: number | undefined;
}

/** All attempts at connections together are no more often than one of these, lest asking be what takes the time. */
const attemptEveryMs = 1;

/** `whenAllAreReady` is called while all of them are there. */
export async function measureAtOnce(
  contender: Contender,
  {
    stage,
    count,
    whenAllAreReady = async () => {},
  }: { stage: Stage; count: number; whenAllAreReady?: () => Promise<void> },
): Promise<AtOnce> {
  const startMs = performance.now();
  const starts = await Promise.all(Array.from({ length: count }, () => start(contender, stage)));
  try {
    const everyMs = Math.max(count * attemptEveryMs, 2);
    const answered = await Promise.all(starts.map((each) => untilPodAnswers(each, { stage, everyMs })));
    const isOurs = contender === "Spawner";
    const ready = isOurs ? await Promise.all(starts.map(({ name }) => untilReady(name, stage))) : [];
    await whenAllAreReady();
    return {
      contender,
      count,
      answeredMs: Math.max(...answered) - startMs,
      readyMs: isOurs ? Math.max(...ready) - startMs : undefined,
    };
  } finally {
    await Promise.all(starts.map((each) => end(each, stage)));
    await Promise.all(starts.map(({ name }) => stage.pods.untilGone(name, { withinMs: waitMsMax })));
  }
}

async function untilPodAnswers(
  { name, port }: Start,
  { stage, everyMs }: { stage: Stage; everyMs: number },
): Promise<number> {
  const withinMs = waitMsMax;
  const { item } = await stage.pods.until(name, ({ status }) => status?.podIP !== undefined, { withinMs });
  return untilAnswered({ host: item.status?.podIP ?? "", port }, { everyMs, withinMs });
}

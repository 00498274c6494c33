import { setTimeout as sleep } from "node:timers/promises";
import { untilAnswered } from "./answers.ts";
import type { AuditedWrite, AuditLog } from "./audit-log.ts";
import { type Contender, end, start } from "./contenders.ts";
import { type Stage, waitMsMax } from "./stage.ts";

/** What was written of one life, from its beginning until nothing was left. */
export interface Life {
  readonly contender: Contender;
  readonly writes: readonly AuditedWrite[];
}

/** How long an idle session stays: long enough for what Kubernetes writes of a start to be written apart from its end. */
const gracePeriodSeconds = 3;
/** What is told of a Pod after its end: the last Events of its node. */
const aftermathMs = 1_500;

/** A session that is started, answers once, is left and ends as idle; or a Pod that answers once, and is deleted as long after. */
export async function liveOnce(contender: Contender, stage: Stage, audit: AuditLog): Promise<Life> {
  const started = await start(contender, { ...stage, gracePeriodSeconds });
  const { name, id, port } = started;
  const { item } = await stage.pods.until(name, ({ status }) => status?.podIP !== undefined, { withinMs: waitMsMax });
  await untilAnswered({ host: item.status?.podIP ?? "", port }, { everyMs: 5, withinMs: waitMsMax });
  if (id === undefined) {
    await sleep(gracePeriodSeconds * 1_000);
    await end(started, stage);
  } else await stage.backends.untilGone(name, { withinMs: waitMsMax });
  await stage.pods.untilGone(name, { withinMs: waitMsMax });
  await sleep(aftermathMs);
  return { contender, writes: await audit.about(name) };
}

/** Whether a part of Spawner wrote it, by its service account: nobody else in its namespace has one of that name. */
export function isOurs({ user }: AuditedWrite): boolean {
  return /^system:serviceaccount:[^:]+:spawner-/.test(user);
}

/** The writes of some lives by who, verb and resource, with how many there were in each, most first. */
export function tallyOf(lives: readonly Life[]): { readonly what: string; readonly aLife: number }[] {
  const counts = new Map<string, number>();
  for (const { user, verb, resource } of lives.flatMap(({ writes }) => writes)) {
    const what = `${user.split(":").at(-1)} ${verb} ${resource}`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts]
    .map(([what, count]) => ({ what, aLife: count / lives.length }))
    .sort((a, b) => b.aLife - a.aLife || a.what.localeCompare(b.what));
}

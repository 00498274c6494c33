import { hasEnded } from "../core/status.ts";
import type { Engine } from "../engine/index.ts";
import type { Clock } from "../lib/clock.ts";
import type { Running } from "../lib/running.ts";
import { clockTime, idOf } from "./session-lines.ts";
import type { SessionView } from "./session-view.ts";
import { type ProgramChange, watchProgram } from "./watch-program.ts";

export interface TellChangesOptions {
  readonly clock: Clock;
  readonly engine: Engine;
  readonly view: SessionView;
  /** Files and folders of the program. */
  readonly paths: readonly string[];
  /** Folders in which changes mean nothing. */
  readonly ignored: readonly string[];
}

/** Says when the program has changed, and which sessions run it as it was. */
export function tellChanges({ engine, view, ...watched }: TellChangesOptions): Promise<Running> {
  const onError = (error: Error) => view.print(`Not every change of the program may be told: ${error.message}`);
  return watchProgram({
    ...watched,
    onError,
    onChange(change) {
      view.programChanged(change.at);
      staleIds(engine, change.at).then((ids) => view.print(describeChange(change, ids)), onError);
    },
  });
}

async function staleIds({ backends }: Engine, changedAt: Date): Promise<string[]> {
  const { items } = await backends.list();
  const isStale = ({ metadata }: (typeof items)[number]) => new Date(metadata.creationTimestamp) < changedAt;
  return items.filter((backend) => !hasEnded(backend) && isStale(backend)).map(idOf);
}

function describeChange({ files, count, at }: ProgramChange, stale: readonly string[]): string {
  const what = files.join(", ") + (count > files.length ? ` and ${count - files.length} more` : "");
  const who = stale.length === 0 ? "no session is stale" : `stale, started before: ${stale.join(", ")}`;
  return `${clockTime(at)}  changed   ${what}; new sessions run it, ${who}`;
}

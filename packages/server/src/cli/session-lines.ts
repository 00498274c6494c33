import type { StatusMessage } from "@spawner/client";
import { defaultServicePrefix, nameMapping } from "../core/names.ts";
import type { Backend } from "../core/resource.ts";
import { hasEnded, statusHistory } from "../core/status.ts";
import type { BackendChange } from "../engine/index.ts";

/** States that a person wants to hear of; the others pass in a moment. */
const toldStates: ReadonlySet<string> = new Set(["Submitted", "Ready", "Swept", "Failed"]);

/** Makes one line of each event of a session. Sessions that had ended before are passed over. */
export function makeSessionLines(url: string, print: (line: string) => void): (change: BackendChange) => void {
  const names = nameMapping(defaultServicePrefix);
  const told = new Map<string, number>();
  let hasSynced = false;
  return (change) => {
    if (change.kind === "synced") {
      hasSynced = true;
      return;
    }
    const { backend } = change;
    const { uid, name } = backend.metadata;
    if (change.kind === "deleted") return void told.delete(uid);
    const history = statusHistory(backend);
    if (!hasSynced && hasEnded(backend)) told.set(uid, history.length);
    for (const status of history.slice(told.get(uid) ?? 0)) {
      if (toldStates.has(status.state)) print(lineOf(backend, status, { id: names.idOf(name) ?? name, url }));
    }
    told.set(uid, history.length);
  };
}

function lineOf(backend: Backend, status: StatusMessage, { id, url }: { id: string; url: string }): string {
  const time = new Date(status.time);
  const clock = time.toTimeString().slice(0, 8);
  return `${clock}  ${id}  ${eventText(backend, status, `${url}/${id}/`)}`;
}

function eventText({ metadata }: Backend, { state, time, reason, message = "" }: StatusMessage, url: string): string {
  const sinceCreationMs = new Date(time).getTime() - new Date(metadata.creationTimestamp).getTime();
  switch (state) {
    case "Submitted":
      return `starting  ${url}`;
    case "Ready":
      return `ready     after ${(sinceCreationMs / 1000).toFixed(2)} s`;
    case "Swept":
      return `ended     ${reason}: ${oneLine(message)}`;
    case "Failed":
      return `failed    ${reason}: ${oneLine(message)}`;
    default:
      return state;
  }
}

/** What the program wrote last stays readable, and in its line. */
function oneLine(message: string): string {
  return message.replace(/\s*\n\s*/g, " ⏎ ");
}

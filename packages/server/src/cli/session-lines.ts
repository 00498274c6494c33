import { defaultServicePrefix, nameMapping } from "../core/names.ts";
import type { Backend } from "../core/resource.ts";
import { oneLine, printable } from "./printable.ts";
import { makeSessionEvents, type SessionEvent } from "./session-events.ts";
import type { SessionView } from "./session-view.ts";

/** States that a person wants to hear of; the others pass in a moment. */
const toldStates: ReadonlySet<string> = new Set(["Submitted", "Ready", "Swept", "Failed"]);

const names = nameMapping(defaultServicePrefix);

/** Shows each event of a session as one line. */
export function openLineView(url: string, print: (line: string) => void): SessionView {
  const onChange = makeSessionEvents((event) => {
    if (toldStates.has(event.status.state)) print(oneLine(sessionLine(event, url)));
  });
  return { onChange, print, programChanged() {}, close() {} };
}

/** The line of an event; where the program wrote something before its end, what it wrote follows in lines of its own. */
export function sessionLine({ backend, status }: SessionEvent, url: string): string {
  const id = idOf(backend);
  return `${clockTime(new Date(status.time))}  ${id}  ${eventText({ backend, status }, `${url}/${id}/`)}`;
}

export function idOf({ metadata: { name } }: Backend): string {
  return names.idOf(name) ?? name;
}

export function clockTime(time: Date): string {
  return time.toTimeString().slice(0, 8);
}

function eventText({ backend: { metadata }, status }: SessionEvent, url: string): string {
  const { state, time, reason, message = "" } = status;
  const sinceCreationMs = new Date(time).getTime() - new Date(metadata.creationTimestamp).getTime();
  switch (state) {
    case "Submitted":
      return `starting  ${url}`;
    case "Ready":
      return `ready     after ${(sinceCreationMs / 1000).toFixed(2)} s`;
    case "Swept":
      return `ended     ${reason}: ${indented(message)}`;
    case "Failed":
      return `failed    ${reason}: ${indented(message)}`;
    default:
      return state;
  }
}

/** Below the line of its event. */
function indented(message: string): string {
  return printable(message).replaceAll("\n", "\n    ");
}

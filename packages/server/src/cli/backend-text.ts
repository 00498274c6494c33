import type { BackendChange, BackendView, StatusMessage } from "@spawner/client";
import { formatAge } from "./live-table.ts";
import { oneLine, printable } from "./printable.ts";
import { textTable } from "./text-table.ts";

/** Backends as people read them, one a line. */
export function backendTable(backends: readonly BackendView[], now: Date): string {
  const hasKeys = backends.some(({ key }) => key !== undefined);
  const rows = backends.map((backend) => [
    backend.name,
    stateOf(backend),
    backend.reason ?? "",
    ageOf(backend, now),
    backend.url ?? "",
    ...(hasKeys ? [oneLine(backend.key ?? "")] : []), // the last one, since it may have spaces
  ]);
  return textTable([["ID", "STATE", "REASON", "AGE", "URL", ...(hasKeys ? ["KEY"] : [])], ...rows]);
}

/** All that is known of one. */
export function backendText(backend: BackendView, now: Date): string {
  const facts = textTable([
    ["ID", backend.name],
    ["STATE", stateOf(backend)],
    ["REASON", backend.reason ?? ""],
    ["AGE", ageOf(backend, now)],
    ["URL", backend.url ?? ""],
    ...(backend.key === undefined ? [] : [["KEY", oneLine(backend.key)]]),
    ...(backend.user === undefined ? [] : [["USER", oneLine(backend.user)]]),
  ]);
  const message = printable(backend.message ?? "").trim();
  const states = textTable(backend.transitions.map(({ time, state }) => [`  ${time}`, state]));
  return `${facts}${message === "" ? "" : `\n${message}\n`}\n${states}`;
}

/** One state as a line. */
export function statusLine({ time, state, reason, message }: StatusMessage): string {
  const why = reason === undefined ? "" : `  ${reason}: ${oneLine(message ?? "")}`;
  return `${time}  ${state}${why}\n`;
}

/** One change of a list as a line. */
export function changeLine({ type, backend }: Exclude<BackendChange, { type: "synced" }>, now: Date): string {
  const why = backend.reason === undefined ? "" : `  ${backend.reason}: ${oneLine(backend.message ?? "")}`;
  return `${now.toISOString()}  ${type.padEnd("deleted".length)}  ${backend.name}  ${stateOf(backend)}${why}\n`;
}

/** With the word for one whose program still runs. */
function stateOf({ state, ending }: BackendView): string {
  return ending === true ? `${state}, ending` : state;
}

function ageOf({ createdAt }: BackendView, now: Date): string {
  return formatAge(now.getTime() - new Date(createdAt).getTime());
}

import type { BackendState } from "@spawner/client";

/** A session as the table shows it. */
export interface LiveSession {
  readonly id: string;
  readonly state: BackendState;
  readonly createdAt: Date;
  /** Open connections and requests; undefined where nobody knows. */
  readonly clients: number | undefined;
  /** Whether its program says that it is at work. */
  readonly isBusy: boolean;
  readonly url: string;
  /** Whether it runs a program that has changed since. */
  readonly isStale: boolean;
  /** Whether it is over, and its program still runs. */
  readonly isEnding: boolean;
}

export interface TableSpace {
  readonly columns: number;
  /** How many lines there may be. */
  readonly rows: number;
  readonly now: Date;
  readonly paint: (style: TableStyle, text: string) => string;
}

export type TableStyle = "dim" | "green" | "yellow" | "cyan";

interface Cell {
  readonly text: string;
  readonly style?: TableStyle;
}

const header = ["ID", "STATE", "AGE", "CLIENTS", "URL"];
const gap = "  ";

/** The lines of a table of sessions, the newest first; no line is wider than the space, and what does not fit is counted. */
export function liveTable(sessions: readonly LiveSession[], space: TableSpace): string[] {
  const { rows, columns, paint } = space;
  if (rows <= 0 || columns <= 0) return [];
  const newestFirst = sessions.toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
  const line = (cells: readonly Cell[]) => paintedLine(cells, { columns, paint });
  const summary = (text: string) => line([{ text, style: "dim" }]);
  if (sessions.length === 0) return [summary("no sessions")];
  if (rows < 3) return [summary(sessions.length === 1 ? "1 session" : `${sessions.length} sessions`)];
  const fits = sessions.length <= rows - 1 ? sessions.length : rows - 2;
  const cells = newestFirst.slice(0, fits).map((session) => cellsOf(session, space.now));
  const headerCells = header.map((text): Cell => ({ text, style: "dim" }));
  const lines = alignColumns([headerCells, ...cells]).map(line);
  return fits === sessions.length ? lines : [...lines, summary(`… and ${sessions.length - fits} more`)];
}

/** A duration in its largest unit that says enough: `45s`, `12m`, `3h`, `2d`. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 2 * 3_600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

function cellsOf({ id, createdAt, clients, isBusy, url, ...session }: LiveSession, now: Date): Cell[] {
  return [
    { text: id },
    stateCell(session),
    { text: formatAge(now.getTime() - createdAt.getTime()) },
    { text: clients === undefined ? "?" : `${clients}${isBusy ? ", busy" : ""}` },
    { text: url },
  ];
}

function stateCell({ state, isStale, isEnding }: Pick<LiveSession, "state" | "isStale" | "isEnding">): Cell {
  if (isEnding) return { text: `${state}, ending`, style: "yellow" };
  if (isStale) return { text: `${state}, stale`, style: "yellow" };
  return { text: state, style: state === "Ready" ? "green" : "cyan" };
}

/** Pads each cell but the last of a line to the width of its column, and puts the gap behind it. */
function alignColumns(table: readonly (readonly Cell[])[]): Cell[][] {
  const widths = header.map((_, column) => Math.max(...table.map((line) => line[column]?.text.length ?? 0)));
  return table.map((line) =>
    line.map((cell, column) =>
      column === header.length - 1 ? cell : { ...cell, text: cell.text.padEnd(widths[column] ?? 0) + gap },
    ),
  );
}

/** Cut to the width: every character here is one column wide. */
function paintedLine(cells: readonly Cell[], { columns, paint }: Pick<TableSpace, "columns" | "paint">): string {
  const width = cells.reduce((sum, { text }) => sum + text.length, 0);
  let left = width > columns ? columns - 1 : columns;
  const painted = cells.map(({ text, style }) => {
    const kept = text.slice(0, left);
    left -= kept.length;
    return style === undefined || kept === "" ? kept : paint(style, kept);
  });
  return painted.join("") + (width > columns ? "…" : "");
}

import { existsSync } from "node:fs";
import { relative, resolve, sep } from "node:path";
import { watch } from "chokidar";
import type { Clock, Timer } from "../lib/clock.ts";
import type { Running } from "../lib/running.ts";

export interface ProgramChange {
  /** The files that changed, relative to the present folder; the first three of them. */
  readonly files: readonly string[];
  /** How many there were in all. */
  readonly count: number;
  /** When the last of them did. */
  readonly at: Date;
}

export interface WatchProgramOptions {
  readonly clock: Clock;
  /** Files and folders; what is in folders is watched as well. */
  readonly paths: readonly string[];
  /** Folders in which changes mean nothing. */
  readonly ignored: readonly string[];
  readonly onChange: (change: ProgramChange) => void;
  /** Some changes may not be told, since the system refuses to (too many watches, say). */
  readonly onError: (error: Error) => void;
}

/** Files that change within this time are one change: who saves several, or checks out a branch. */
const settleMs = 100;
const filesMax = 3;

const changeKinds = ["add", "change", "unlink"] as const;
type ChangeKind = (typeof changeKinds)[number];

/**
 * Tells of changes to a program's files. What programs are made with and write themselves does not count: node_modules, and
 * every name that begins with a dot. Resolves when no change is missed any more. (Node's own recursive watch loses a file
 * once an editor has replaced it.)
 */
export async function watchProgram(options: WatchProgramOptions): Promise<Running> {
  const { clock, onChange, onError } = options;
  const roots = options.paths.map((path) => resolve(path));
  for (const root of roots) {
    if (!existsSync(root)) throw new Error(`Cannot watch ${root}: there is no such file or folder (--watch-path).`);
  }
  const ignoredFolders = options.ignored.map((path) => resolve(path));
  const ignored = (path: string) =>
    ignoredFolders.some((folder) => isWithin(path, folder)) ||
    roots.filter((root) => isWithin(path, root)).every((root) => isHidden(relative(root, path)));

  const changed = new Map<string, ChangeKind>();
  let timer: Timer | undefined;
  const tell = (at: Date) => {
    const files = [...changed.keys()];
    changed.clear();
    if (files.length > 0) onChange({ files: files.slice(0, filesMax), count: files.length, at });
  };
  const note = (kind: ChangeKind, path: string) => {
    const file = relative("", path);
    // What came and went at once was somebody's way of writing another file.
    if (kind === "unlink" && changed.get(file) === "add") changed.delete(file);
    else if (!changed.has(file)) changed.set(file, kind);
    const at = clock.now();
    timer?.cancel();
    timer = clock.after(settleMs, () => tell(at));
  };
  const watcher = watch(roots, { ignored, ignoreInitial: true });
  for (const kind of changeKinds) watcher.on(kind, (path) => note(kind, path));
  watcher.on("error", (error) => onError(error as Error));
  await new Promise<void>((ready) => watcher.once("ready", ready));
  return {
    async close() {
      timer?.cancel();
      await watcher.close();
    },
  };
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

function isHidden(path: string): boolean {
  return path.split(sep).some((name) => name === "node_modules" || name.startsWith("."));
}

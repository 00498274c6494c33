import type { BackendChange } from "../engine/index.ts";

/** Shows people what becomes of sessions. */
export interface SessionView {
  onChange(change: BackendChange): void;
  /** Says something else, in its turn. */
  print(text: string): void;
  /** Sessions that were started before run a program that is no longer what would be started. */
  programChanged(at: Date): void;
  /** Leaves the terminal as a shell wants it. */
  close(): void;
}

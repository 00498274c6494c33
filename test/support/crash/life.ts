import type { SpawnRequest } from "@spawner/client";

/** A backend's life from the first request to its end, as a client brings it about that goes on after each crash. */
export interface Life {
  readonly name: string;
  readonly command: (folder: string) => readonly string[];
  readonly request: SpawnRequest;
  /** Further flags of the server. */
  readonly args?: readonly string[];
  /** What a client does, once a server, when the backend is ready. */
  readonly whenReady?: (backend: { url: string; stopUrl: string; signal: AbortSignal }) => Promise<void>;
  /** What others do on this machine; called at each look. */
  readonly meanwhile?: (around: {
    folder: string;
    programs: readonly ProgramNote[];
    signal: AbortSignal;
  }) => Promise<void>;
  /** How often the program is started where nothing is disturbed. Default: once. */
  readonly starts?: number;
  /** Whether its record is deleted in the end. Default: it is kept. */
  readonly isForgotten?: boolean;
  /** Whether the program ends by itself: then it may do so while no server looks. */
  readonly endsByItself?: boolean;
}

/** What program.mjs notes of itself. */
export type ProgramNote =
  | { readonly kind: "started"; readonly pid: number; readonly port: number; readonly others: readonly number[] }
  | { readonly kind: "asked to end"; readonly pid: number };

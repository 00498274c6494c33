/**
 * The relay host protocol: what a relay host says of itself and can be asked. Embedded it is called directly, between
 * processes it goes over HTTP (`GET /_events`, `POST /hold`, `POST /seal`, and `PUT /busy` for the program itself).
 */
export const relayHostProtocolVersion = 1;

/** Names the backend that a connection is meant for, `<id>/<uid>`: another's relay host answers 421. */
export const backendHeader = "x-spawner-backend";

/** On an answer of a relay host that never let the request in, since the backend has ended or is another: the error's code. */
export const refusalHeader = "x-spawner-refused";

/** What a relay host is at one moment. */
export interface RelayHostState {
  /** The program listens. */
  readonly ready: boolean;
  /** Upgraded connections and requests in flight. */
  readonly liveConnections: number;
  /** The program says that it is at work, which keeps the backend as a client does. Default: false. */
  readonly busy?: boolean;
  /** Milliseconds since anybody was there; 0 while somebody is, or the program is busy. */
  readonly idleMs: number;
  /** Milliseconds until `seal` would be taken, 0 from then on; undefined while it cannot be foretold. */
  readonly msUntilIdle: number | undefined;
  readonly sealed: boolean;
  /** It has not had a client yet. Default: false, as of hosts that do not know. */
  readonly awaitsFirstClient?: boolean;
}

export type HoldAnswer = { readonly held: true } | { readonly held: false; readonly because: "sealed" };

export type SealAnswer =
  | { readonly sealed: true }
  /** Somebody is there (undefined), or was too lately: try again then. */
  | { readonly sealed: false; readonly msUntilIdle: number | undefined };

export interface SealRequest {
  /** How long to keep everybody out if nothing more is heard. */
  readonly leaseMs: number;
  /** Seal even while somebody is there. Default false. */
  readonly evenIfActive?: boolean;
  /** Seal as soon as nobody is there and no hold runs, without waiting for the grace period. Default false. */
  readonly evenInGrace?: boolean;
  /** The backend has ended: nobody is let in any more, whatever the lease, and those who wait are told so. Default false. */
  readonly isFinal?: boolean;
}

export interface RelayHostWatcher {
  /** First the present state, then each change, at most ten a second. */
  onState(state: RelayHostState): void;
  /** Nothing more will come. The host may still live: watch again. */
  onLost(cause: Error): void;
}

export type BusyAnswer = { readonly accepted: true } | { readonly accepted: false; readonly because: "sealed" };

/** What the program itself can ask of its relay host: `PUT /busy`, and nothing else. */
export interface BusyHost {
  /**
   * The program is at work for so long from now on, in place of what it said before; 0: it is done, and the idle clock starts
   * anew. A host that is sealed accepts nothing.
   */
  setBusy(ttlSeconds: number): BusyAnswer;
}

/** Whether anything keeps the backend at this moment. */
export function isInUse({ liveConnections, busy = false }: RelayHostState): boolean {
  return liveConnections > 0 || busy;
}

/** A relay host, wherever it runs. */
export interface RelayHost {
  /** Watches until the returned function is called or `onLost` was. */
  watch(watcher: RelayHostWatcher): () => void;
  /** Restarts the idle clock and promises to stay for `seconds`. Rejects when the host cannot be asked. */
  hold(seconds: number): Promise<HoldAnswer>;
  /** Lets nobody in any more, if idle, until the lease ends. Rejects when the host cannot be asked. */
  seal(request: SealRequest): Promise<SealAnswer>;
}

/**
 * The JSON of one event: 0.1.9's fields in its spelling, with blanks and whole numbers as it wrote them, then ours. A busy program
 * is one of the live connections, since sweepers that do not know of it know those.
 */
export function encodeRelayHostState(state: RelayHostState): string {
  if (!state.ready) return '{"ready": false}';
  const live = state.liveConnections + Number(state.busy ?? false);
  const activity =
    live > 0
      ? `"live_connections": ${live}`
      : `"seconds_since_active": ${Math.floor(state.idleMs / 1000)}, "milliseconds_since_active": ${Math.floor(state.idleMs)}`;
  const until = state.msUntilIdle === undefined ? "" : `, "milliseconds_until_idle": ${Math.ceil(state.msUntilIdle)}`;
  const flags = [
    ...(state.busy ? [', "busy": true'] : []),
    ...(state.sealed ? [', "sealed": true'] : []),
    ...(state.awaitsFirstClient ? [', "awaits_first_client": true'] : []),
  ];
  return `{"ready": true, ${activity}${until}${flags.join("")}}`;
}

/** The JSON of one event in the very bytes of 0.1.9: its sweeper reads no others. */
export function encodeLegacyState({ ready, liveConnections, busy = false, idleMs }: RelayHostState): string {
  if (!ready) return '{"ready": false}';
  const live = liveConnections + Number(busy);
  return live > 0
    ? `{"ready": true, "live_connections": ${live}}`
    : `{"ready": true, "seconds_since_active": ${Math.floor(idleMs / 1000)}}`;
}

/** The inverse of the one before; understands hosts of 0.1.9, which say only whole seconds. Undefined for what is not such an event. */
export function decodeRelayHostState(json: string): RelayHostState | undefined {
  const event = parseObject(json);
  if (typeof event?.ready !== "boolean") return undefined;
  const seconds = numberIn(event.seconds_since_active);
  const live = numberIn(event.live_connections) ?? 0;
  const busy = event.busy === true;
  return {
    ready: event.ready,
    liveConnections: busy ? Math.max(live - 1, 0) : live,
    ...(busy ? { busy } : {}),
    idleMs: numberIn(event.milliseconds_since_active) ?? (seconds ?? 0) * 1000,
    msUntilIdle: numberIn(event.milliseconds_until_idle),
    sealed: event.sealed === true,
    ...(event.awaits_first_client === true ? { awaitsFirstClient: true } : {}),
  };
}

function parseObject(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined; // not JSON: not an event
  }
}

function numberIn(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined;
}

import type { EndReason, StatusMessage } from "../protocol.ts";
import type { RetryOptions } from "../retry.ts";
import type { Connection } from "./connection.ts";
import type { SessionSocket, SocketOptions } from "./session-socket.ts";

/** Why a session is over. */
export interface SessionEnd {
  /**
   * Why the backend is over; or `Gone` (its record is, so nobody knows why), `Refused` (`connect` gave null) or
   * `Unreachable` (`connect` failed for as long as `retry` allows, or with what another attempt does not mend).
   */
  readonly reason: EndReason | "Gone" | "Refused" | "Unreachable";
  /** What happened, in words for people. */
  readonly message: string;
}

/** How a page gets to its session, and what it wants to be told. */
export interface SessionOptions {
  /**
   * Asks the application's own server to connect this user, which answers with what `POST /connect` gave it. Called at
   * first, then before a token is over, when nothing can be opened by it any more, and to go on after an end. `null` ends the
   * session as `Refused`; after a rejection it is called again, with backoff.
   */
  connect: (options: { signal: AbortSignal }) => Promise<Connection | null>;
  /** A connection that the page has already, so that `connect` is not needed at first. */
  connection?: Connection | undefined;
  /** Each state of the backend as it is reached, from the first. */
  onState?: ((status: StatusMessage) => void) | undefined;
  /** Told once, when the session is over and nobody has closed it here. */
  onEnded?: ((end: SessionEnd) => void) | undefined;
  /** Whether to connect anew after this end of a backend, to the next of its key. Default: no, `onEnded` is told. */
  shouldContinue?: ((end: SessionEnd) => boolean) | undefined;
  /** Closes the session. */
  signal?: AbortSignal | undefined;
  /** What sends the requests. Default: the global `fetch`. */
  fetch?: typeof globalThis.fetch | undefined;
  /** What opens WebSockets. Default: the global one, which Node has from version 22. */
  WebSocket?: typeof globalThis.WebSocket | undefined;
  /** Time that a call of `connect` may take. Default 30,000. */
  timeoutMs?: number | undefined;
  /** How to go on after failures. `giveUpMs` has another default here: an hour. */
  retry?: RetryOptions | undefined;
}

/** A page's way to one backend: see `openSession`. */
export interface Session {
  /** The latest state of the backend, as far as it is known. */
  readonly status: StatusMessage | undefined;
  /** Resolves when requests are answered at once. Rejects as `fetch` does. */
  ready(options?: { signal?: AbortSignal | undefined }): Promise<void>;
  /**
   * `fetch` of a path of the program, as this user. Waits until the backend is ready, and asks once more with a new token
   * where the first is refused. Rejects as `fetch` does; with a `SpawnerClientError` where the session is over, which is
   * `backend_ended` in most cases. Nothing else is repeated.
   *
   * @example
   * const notes = await (await session.fetch("notes", { signal })).json();
   */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /**
   * A WebSocket to the program, as this user: opened when the backend is ready, and again whenever its connection is lost.
   *
   * @example
   * const socket = session.webSocket("socket", {
   *   onOpen: () => socket.send(JSON.stringify({ type: "hello", seen: lastSeen })),
   *   onMessage: (data) => show(JSON.parse(data)),
   * });
   */
  webSocket(path: string, options?: SocketOptions): SessionSocket;
  /** Ends what the session holds: its sockets, its status stream. The backend goes on. */
  close(): void;
}

import { SpawnerClientError } from "../errors.ts";
import { makePatience, type RetryPolicy } from "../retry.ts";
import { type Access, socketUrl } from "./connection.ts";
import { tell } from "./tell.ts";
import { until } from "./until.ts";

type SocketData = string | ArrayBufferLike | Blob | ArrayBufferView<ArrayBuffer>;

/** How a connection was closed: https://websockets.spec.whatwg.org/#the-closeevent-interface. */
export interface SocketClose {
  readonly code: number;
  readonly reason: string;
}

/** What a WebSocket tells. */
export interface SocketOptions {
  /** Subprotocols. */
  protocols?: string | string[] | undefined;
  /** Each time that it is open, the first and every later one: the moment to ask for what was missed. */
  onOpen?: ((socket: SessionSocket) => void) | undefined;
  /** A message: text, or bytes in an `ArrayBuffer`. */
  onMessage?: ((data: string | ArrayBuffer, socket: SessionSocket) => void) | undefined;
  /** Its connection is gone, and is made again. What was sent last may or may not have arrived. */
  onLost?: ((close: SocketClose) => void) | undefined;
  /**
   * It is over, and not by you: the program has closed it as it meant to, or it could not be opened for as long as `retry`
   * allows. The end of the whole session is told by the session's `onEnded` instead.
   */
  onClosed?: ((close: SocketClose) => void) | undefined;
  /** Whether a connection that was closed is made again. Default: `isAccident`. */
  shouldReconnect?: ((close: SocketClose) => boolean) | undefined;
  /** Closes it. */
  signal?: AbortSignal | undefined;
}

/** A WebSocket to a session's program that is connected again whenever its connection is lost. */
export interface SessionSocket {
  readonly isOpen: boolean;
  /** Bytes that were given to `send` and wait in this client. */
  readonly bufferedAmount: number;
  /** Whether it was sent: false where there is no open connection. Nothing is kept to be sent later. */
  send(data: SocketData): boolean;
  /** Closes it for good. */
  close(code?: number, reason?: string): void;
}

/** What a socket needs of its session. */
export interface SocketDeps {
  /** Resolves to what opens a connection now. Rejects when the session is over, or by the signal. */
  usable(signal: AbortSignal): Promise<Access>;
  /** To be called when nothing could be opened by it: the application is asked for another one first, where it can be. */
  suspect(access: Access): void;
  /** To be called when a connection was opened by it. */
  prove(access: Access): void;
  readonly WebSocket: typeof globalThis.WebSocket;
  readonly retry: RetryPolicy;
  /** Of the session's life. */
  readonly signal: AbortSignal;
}

/**
 * Whether a connection broke rather than was closed by a program that had said what it wanted to: it was cut, or whoever
 * closed it was about to end or in difficulties.
 */
export function isAccident({ code }: SocketClose): boolean {
  // https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number
  return code === 1001 || code === 1006 || (code >= 1011 && code <= 1015);
}

export function openSocket(deps: SocketDeps, path: string, options: SocketOptions): SessionSocket {
  const { onOpen, onMessage, onLost, onClosed, shouldReconnect = isAccident } = options;
  const leaving = new AbortController();
  const leave = () => leaving.abort(options.signal?.reason);
  let socket: WebSocket | undefined;

  const handle: SessionSocket = {
    get isOpen() {
      return socket?.readyState === 1 && !leaving.signal.aborted;
    },
    get bufferedAmount() {
      return socket?.bufferedAmount ?? 0;
    },
    send(data) {
      if (!handle.isOpen) return false;
      socket?.send(data);
      return true;
    },
    close(code, reason) {
      socket?.close(code, reason); // throws at a code that no page may give
      leaving.abort();
    },
  };

  /** One connection, from its beginning to its end. Rejects when nobody wants it any more. */
  const attend = async (access: Access, opened: () => void): Promise<SocketClose> => {
    const connection = new deps.WebSocket(socketUrl(access, path), options.protocols);
    connection.binaryType = "arraybuffer";
    // Its close says as much. For good: the sockets of `ws` have errors when they are left too, which nobody else would catch.
    connection.onerror = () => {};
    socket = connection;
    const closed = new Promise<SocketClose>((resolve) => {
      connection.onopen = () => {
        opened();
        onOpen?.(handle);
      };
      connection.onmessage = ({ data }) => onMessage?.(data, handle);
      connection.onclose = ({ code, reason }) => resolve({ code, reason });
    });
    try {
      return await until(closed, leaving.signal);
    } finally {
      connection.onopen = connection.onmessage = connection.onclose = null;
      if (connection.readyState < 2) connection.close();
      socket = undefined;
    }
  };

  const keepOpen = async () => {
    const patience = makePatience(deps.retry);
    for (let isRenewed = false; ; ) {
      const access = await deps.usable(leaving.signal);
      let wasOpen = false;
      const close = await attend(access, () => {
        wasOpen = true;
        patience.connected();
        deps.prove(access);
      });
      if (wasOpen) {
        if (!shouldReconnect(close)) return tell(onClosed, close);
        tell(onLost, close);
      } else if (!isRenewed) {
        // A page is not told whether nobody listens, or the token is good no more.
        deps.suspect(access);
        isRenewed = true;
        continue;
      }
      isRenewed = false;
      const error = new SpawnerClientError("unreachable", `The WebSocket was closed with ${close.code}.`);
      try {
        await patience.pauseAfter(error, leaving.signal);
      } catch (reason) {
        if (leaving.signal.aborted) throw reason;
        return tell(onClosed, close);
      }
    }
  };

  for (const signal of [deps.signal, options.signal]) {
    if (signal?.aborted) leave();
    signal?.addEventListener("abort", leave, { signal: leaving.signal });
  }
  keepOpen()
    .catch((error: unknown) => {
      if (!leaving.signal.aborted) throw error; // of the caller's own functions: nobody else can have made it
    })
    .finally(leave);
  return handle;
}

import type { InProcessSocket } from "../lib/in-process-socket.ts";
import type { RelayProblem } from "./problem.ts";
import type { RequestHead } from "./request-head.ts";
import type { Answer } from "./response.ts";
import type { ResponseHead } from "./response-head.ts";

/** Where a request goes. */
export interface Upstream {
  readonly host: string;
  readonly port: number;
  /** Who is there: requests with another key go over another connection. Default: host and port. */
  readonly key?: string;
  /**
   * It is told when the client has half-closed its connection. Only for upstreams that go on answering then, as a relay
   * does: many a server takes it for an abort. Default false.
   */
  readonly takesHalfClose?: boolean;
  /** Gives a connection to it, where it is in this process. Default: one is made to host and port, over the network. */
  readonly connect?: () => InProcessSocket;
}

/** What is to become of a request. */
export type Plan =
  | {
      readonly kind: "forward";
      readonly upstream: Upstream;
      /** Whether it may have any number of connections, and not only `connectionsPerUpstreamMax`. Default false. */
      readonly isUnlimited?: boolean;
      /** Whether the upstream is asked for the upgrade that the client asks for, and may grant it. Default true. */
      readonly passesUpgrade?: boolean;
      /** The head to send. Default: as it came. `isFirst`: it is the first on a new upstream connection. */
      readonly head?: (isFirst: boolean) => Buffer;
      /** The head to send back in place of the response's (interim ones and 101 too). Default, and undefined: as it came. */
      readonly onResponseHead?: (head: ResponseHead) => Buffer | undefined;
      /**
       * Whether the upstream says itself that it did not act. The handler is asked again then, also where part of the body
       * was sent; in that case only an answer will do. Default: 421 does, where nothing of the body was sent.
       */
      readonly isRefusal?: (head: ResponseHead) => boolean;
      /**
       * Told when the request is let through. `cut` ends it at any later time, with the upgraded connection that it may have
       * become: by the answer where none has begun, else by a reset. What is given back is called once, when there is nothing
       * left to cut; `cut` must not be called after that.
       */
      readonly onOpen?: ((cut: Cut) => () => void) | undefined;
    }
  /** The relay answers itself, and closes the connection. */
  | { readonly kind: "answer"; readonly answer: Answer };

export type Cut = (answer: Answer) => void;

/** One request, as the handler sees it. */
export interface Exchange {
  readonly head: RequestHead;
  /** How often it was tried already; above 0, `previousFailure` says why that did not do. */
  readonly attempt: number;
  readonly previousFailure: RelayProblem | undefined;
  readonly clientAddress: string;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
}

export type RequestHandler = (exchange: Exchange) => Plan | Promise<Plan>;

export function keyOf({ key, host, port }: Upstream): string {
  return key ?? `${host} ${port}`;
}

import type { RelayHost } from "../../core/relay-host.ts";

export interface RelayHostOptions {
  /** `<name>/<uid>`. */
  readonly identity: string;
  /** Port on the loopback address to serve on; 0: any. */
  readonly port: number;
  readonly gracePeriodSeconds: number;
  readonly firstClientSeconds: number;
  readonly silentConnectionSeconds: number;
  /** Whether it follows one that may have had clients: then the grace period counts from now. */
  readonly adopted: boolean;
}

/** A relay host in this process, made for one workload by whoever runs the engine. */
export interface RelayHostServer {
  readonly port: number;
  readonly control: RelayHost;
  /** What the program gets in its environment, to say that it is busy. Default: nothing. */
  readonly programEnv?: Readonly<Record<string, string>>;
  /** The program listens there: from now on requests are passed to it. */
  programListens(upstream: { host: string; port: number }): void;
  /** Lets nobody in any more, for good; what is going on may go on until `close`. */
  end(): void;
  close(): Promise<void>;
}

export type OpenRelayHost = (options: RelayHostOptions) => Promise<RelayHostServer>;

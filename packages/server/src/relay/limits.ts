/** What one client may ask of the relay. */
export interface RelayLimits {
  /** Longest head of a message, and longest trailer section, in bytes. Default 32,768. */
  headBytesMax: number;
  /** Most fields in a head. Default 128. */
  headerCountMax: number;
  /** Time from the first byte of a request's head to its last. Default 30 s. */
  headTimeoutMs: number;
  /** Time that a connection may stay open with nothing in flight. Default 120 s. */
  idleTimeoutMs: number;
  /** Time without a byte of a request's body that the upstream would take. Default 60 s. */
  bodyTimeoutMs: number;
  /** Longest body of a request, in bytes; 0: any. Default 0. */
  bodyBytesMax: number;
  /** Time that connecting to an upstream may take. Default 5 s. */
  connectTimeoutMs: number;
  /** Time in which an upstream answers a request for an upgrade. Default 60 s. */
  upgradeTimeoutMs: number;
  /** Time in which an upstream begins to answer any other request that is all sent; 0: any. Default 0, for long polls. */
  responseTimeoutMs: number;
  /**
   * Time for which an upgraded connection counts as activity without data in either direction; pings, pongs and closes of a
   * WebSocket are none. 0: it counts until it closes. Default 0.
   */
  silentConnectionMs: number;
  /** Time without a byte after which a half-closed connection is taken for gone. Default 10 s. */
  halfClosedSilenceMs: number;
  /** Time in which a client may go on sending after an answer that it did not wait for. Default 30 s. */
  lingerMs: number;
  /** Time without a byte of such sending after which there is none. Default 2 s. */
  lingerSilenceMs: number;
  /** Bytes of such sending that are read and thrown away. Default 67,108,864. */
  lingerBytesMax: number;
  /** Bytes of a connection that wait to be passed on. Default 65,536. */
  pendingBytesMax: number;
  /** Open client connections; further ones get 503. Default 20,000. */
  connectionsMax: number;
  /** Connections that are being told so at once; further ones are reset. Default 1,000. */
  refusalsMax: number;
  /** Open connections to one upstream; requests that need a further one get 503. Default 5,000. */
  connectionsPerUpstreamMax: number;
}

export const defaultLimits: RelayLimits = {
  headBytesMax: 32_768,
  headerCountMax: 128,
  headTimeoutMs: 30_000,
  idleTimeoutMs: 120_000,
  bodyTimeoutMs: 60_000,
  bodyBytesMax: 0,
  connectTimeoutMs: 5_000,
  upgradeTimeoutMs: 60_000,
  responseTimeoutMs: 0,
  silentConnectionMs: 0,
  halfClosedSilenceMs: 10_000,
  lingerMs: 30_000,
  lingerSilenceMs: 2_000,
  lingerBytesMax: 67_108_864,
  pendingBytesMax: 65_536,
  connectionsMax: 20_000,
  refusalsMax: 1_000,
  connectionsPerUpstreamMax: 5_000,
};

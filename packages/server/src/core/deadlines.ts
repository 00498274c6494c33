/**
 * Every deadline and interval that two parts must agree on, in one place. deadlines.test.ts holds their order.
 * All in milliseconds.
 */
export const deadlines = {
  /** How long a relay host keeps a seal that nobody confirmed: then it serves again. */
  sealLeaseMs: 10_000,
  /** How long writing `Swept` may take; well inside the lease, so that its outcome is known before the host serves. */
  sweptWriteMs: 4_000,
  /** How long any other write of a sweeper may take. */
  statusWriteMs: 2_000,
  /** How long one call of an API server may take: whoever asked for what needs it is refused within 2 s. */
  apiServerMs: 1_800,
  /** How long it may take for a page of all there is, by which what is watched is known at first. */
  apiServerListMs: 10_000,
  /** How long one request to a relay host may take. */
  relayHostRequestMs: 2_000,
  /** A relay host's stream is never silent for longer than this… */
  heartbeatMs: 10_000,
  /** …and one that is for this long is taken for lost and dialled again. */
  streamSilenceMs: 25_000,
  /** Waits between attempts at a lost stream: doubling from the first to the second. */
  streamRetryFirstMs: 100,
  streamRetryMostMs: 5_000,
  /** For how long a stream may be lost, and dialled in vain, until that is worth a line in the log. */
  streamLossMs: 15_000,
  /** States passed within this share one write. */
  sharedWriteMs: 1_000,
  /** Waits between attempts at a failing reconcile: doubling from the first to the second. */
  reconcileRetryFirstMs: 50,
  reconcileRetryMostMs: 30_000,
  /** How long an image may fail to be pulled, or a container to be made, before a start is given up: two more attempts of a node's. */
  startProblemMs: 30_000,
  /** How often it is tried to make what is blocked, should word be missed that it no longer is. */
  blockedPollMs: 5_000,
  /** How often a relay host is asked whether its program listens that has had its time for it, while nobody records it. */
  unrecordedReadyPollMs: 10_000,
  /** How long a Pod may be on its node without a container, until what is said of it is read. */
  silentStartMs: 5_000,
  /** By how much later than a program's end its node may say, in an Event, that it has ended it. */
  lateEventMs: 2_000,
  /** How often a Pod is asked whether it lives whose node is not heard of. */
  unheardPodPollMs: 5_000,
  /** How often it is looked whether a backend still has the Service that 0.1.9's routers find it by. */
  serviceLookMs: 300_000,
  /** How long a gateway holds a request for a backend that is not ready yet. */
  parkMs: 60_000,
  /** How long a relay host holds a request that reached it before its program listens, or while sealed. */
  relayHostParkMs: 30_000,
  /** How long connecting may take until there is a backend… */
  connectMs: 10_000,
  /** …in which a backend promises to stay… */
  holdMs: 1_000,
  /** …or, where it does not answer, is read anew: together no longer than a caller waits for a refusal, 2 s… */
  freshReadMs: 900,
  /** …and how long it waits, where asked to, until that is ready. */
  waitReadyMs: 30_000,
  /** How long a server of the API or of control requests waits for a whole request. */
  requestMs: 10_000,
  /** For how long the leader among the controllers holds its lease… */
  leaseMs: 10_000,
  /** …after which time without a renewal it acts no more; what it has asked for by then has come to its end in the lease… */
  leaseRenewMs: 6_000,
  /** …and how often it renews it, and others look whether it is free. */
  leaseRetryMs: 2_000,
  /** How long a server that is to end still takes connections: until nobody is sent to it any more. */
  endpointLagMs: 5_000,
  /** Over how long the last connections of a gateway are closed, so that not all of their clients are back at once. */
  closeSpreadMs: 30_000,
} as const;

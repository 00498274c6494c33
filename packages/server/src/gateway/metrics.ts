import type { Metrics, Tally } from "../lib/metrics.ts";
import type { RelayTraffic } from "../relay/index.ts";

/** Who gave the answer: a backend's program (or its relay host), the api, or the gateway itself. */
const servers = ["backend", "api", "gateway"] as const;
export type ServedBy = (typeof servers)[number];

const codeClasses = ["1xx", "2xx", "3xx", "4xx", "5xx"] as const;

/** What became of a request that had to wait for its backend. */
const parkedOutcomes = [
  /** It went to its backend. */
  "ready",
  /** The backend had ended before it was ready. */
  "ended",
  /** The record of the backend was deleted. */
  "unknown",
  /** Its token was taken back, or was over, while it waited. */
  "refused",
  /** The backend was not ready in time. */
  "timeout",
  /** Too many were waiting already. */
  "full",
  /** Its client went away. */
  "gone",
  /** The backends could not be read. */
  "failed",
] as const;
export type ParkedOutcome = (typeof parkedOutcomes)[number];

/** What the gateway counts. Counting an answer is one addition: it stands where every request passes. */
export class GatewayMetrics {
  readonly #answers: Readonly<Record<ServedBy, readonly Tally[]>>;
  readonly #parked: Readonly<Record<ParkedOutcome, Tally>>;
  readonly #metrics: Metrics;
  #parkedNow = 0;

  constructor(metrics: Metrics, { traffic }: { traffic: () => RelayTraffic }) {
    this.#metrics = metrics;
    addTraffic(metrics, traffic);
    const answers = metrics.counter({
      name: "spawner_gateway_requests_total",
      help: "Requests that were answered, by who answered and the class of the status.",
      labels: { served_by: servers, code_class: codeClasses },
    });
    const ofServer = (server: ServedBy) =>
      codeClasses.map((code) => answers.with({ served_by: server, code_class: code }));
    this.#answers = { backend: ofServer("backend"), api: ofServer("api"), gateway: ofServer("gateway") };

    metrics.gauge(
      { name: "spawner_gateway_parked_requests", help: "Requests that wait for their backend to be ready." },
      () => this.#parkedNow,
    );
    const parked = metrics.counter({
      name: "spawner_gateway_parked_requests_total",
      help: "Requests that had to wait for their backend, by what became of them.",
      labels: { outcome: parkedOutcomes },
    });
    const ofOutcome = (outcome: ParkedOutcome) => parked.with({ outcome });
    this.#parked = {
      ready: ofOutcome("ready"),
      ended: ofOutcome("ended"),
      unknown: ofOutcome("unknown"),
      refused: ofOutcome("refused"),
      timeout: ofOutcome("timeout"),
      full: ofOutcome("full"),
      gone: ofOutcome("gone"),
      failed: ofOutcome("failed"),
    };
  }

  /** What is open by a token. */
  countAdmitted(count: () => number): void {
    this.#metrics.gauge(
      {
        name: "spawner_gateway_admitted_open",
        help: "Requests and upgraded connections that are open by a connection token.",
      },
      count,
    );
  }

  /** A status that is none of the five classes counts as a failure of whoever gave it. */
  answered(by: ServedBy, status: number): void {
    this.#answers[by][Math.min(Math.floor(status / 100), codeClasses.length) - 1]?.add();
  }

  /** A request begins to wait; the returned function says how that ended. */
  park(): (outcome: ParkedOutcome) => void {
    this.#parkedNow += 1;
    return (outcome) => {
      this.#parkedNow -= 1;
      this.#parked[outcome].add();
    };
  }
}

function addTraffic(metrics: Metrics, readTraffic: () => RelayTraffic): void {
  const traffic = oncePerTurn(readTraffic);
  metrics.gauge(
    { name: "spawner_gateway_open_connections", help: "Open connections of clients, upgraded ones included." },
    () => traffic().connections,
  );
  metrics.gauge(
    { name: "spawner_gateway_upgraded_connections", help: "Open connections that are upgraded: WebSockets mostly." },
    () => traffic().upgradedConnections,
  );
  metrics.counterOf(
    { name: "spawner_gateway_received_bytes_total", help: "Bytes read from clients." },
    () => traffic().bytesReceived,
  );
  metrics.counterOf(
    { name: "spawner_gateway_sent_bytes_total", help: "Bytes that have left for clients." },
    () => traffic().bytesSent,
  );
}

/** One scrape reads all metrics in one turn: all connections are then gone through once, and not for each metric. */
function oncePerTurn<Value>(read: () => Value): () => Value {
  let known: { readonly value: Value } | undefined;
  return () => {
    if (known === undefined) {
      known = { value: read() };
      queueMicrotask(() => {
        known = undefined;
      });
    }
    return known.value;
  };
}

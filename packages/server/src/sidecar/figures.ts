import type { RelayTraffic } from "../relay/index.ts";

/** What a sidecar counts. */
export interface SidecarFigures extends RelayTraffic {
  readonly ready: boolean;
  readonly sealed: boolean;
  /** Requests in flight and upgraded connections: what keeps the backend. */
  readonly liveConnections: number;
  /** The program says that it is at work, which keeps the backend too. */
  readonly busy: boolean;
  readonly waitingRequests: number;
}

/**
 * The figures in the text format of Prometheus. By hand: a metrics library would double the memory of the sidecar, which each
 * backend pays for. Without an id or a label: who scrapes a Pod knows which it is.
 */
export function expose(figures: SidecarFigures): string {
  const { user, system } = process.cpuUsage();
  const series: readonly (readonly [name: string, help: string, value: number])[] = [
    ["spawner_sidecar_ready", "1 where the program listens.", Number(figures.ready)],
    ["spawner_sidecar_sealed", "1 where nobody is let in any more.", Number(figures.sealed)],
    ["spawner_sidecar_live_connections", "Requests in flight and upgraded connections.", figures.liveConnections],
    ["spawner_sidecar_busy", "1 while the program says that it is busy.", Number(figures.busy)],
    ["spawner_sidecar_waiting_requests", "Requests that wait for the program to listen.", figures.waitingRequests],
    ["spawner_sidecar_open_connections", "Open connections, upgraded ones included.", figures.connections],
    ["spawner_sidecar_upgraded_connections", "Open connections that are upgraded.", figures.upgradedConnections],
    ["spawner_sidecar_received_bytes_total", "Bytes read from clients.", figures.bytesReceived],
    ["spawner_sidecar_sent_bytes_total", "Bytes that have left for clients.", figures.bytesSent],
    ["process_cpu_seconds_total", "CPU time used, user and system.", (user + system) / 1e6],
    ["process_start_time_seconds", "When the process was started, as Unix time.", performance.timeOrigin / 1000],
    ["process_resident_memory_bytes", "Memory that the process holds.", process.memoryUsage.rss()],
  ];
  return series.map(describe).join("\n");
}

function describe([name, help, value]: readonly [string, string, number]): string {
  const type = name.endsWith("_total") ? "counter" : "gauge";
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`;
}

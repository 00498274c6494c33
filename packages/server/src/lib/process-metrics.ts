import { readdirSync, readFileSync, statSync } from "node:fs";
import { Metrics } from "./metrics.ts";

/** The metrics of a process of the given release; each of its roles adds its own. */
export function makeProcessMetrics(version: string): Metrics {
  const metrics = new Metrics();
  addProcessMetrics(metrics);
  metrics.gauge(
    { name: "spawner_build_info", help: "1, labelled with the release that runs.", labels: { version: [version] } },
    () => 1,
  );
  return metrics;
}

/**
 * What a process takes of its machine, under the names that Prometheus clients share, and how busy its event loop is. All is
 * read at a scrape: a process at rest has no timer for it.
 */
function addProcessMetrics(metrics: Metrics): void {
  metrics.counterOf({ name: "process_cpu_seconds_total", help: "CPU time used, user and system." }, () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  metrics.gauge({ name: "process_start_time_seconds", help: "When the process was started, as Unix time." }, () => {
    return performance.timeOrigin / 1000;
  });
  metrics.gauge({ name: "process_resident_memory_bytes", help: "Memory that the process holds." }, () =>
    process.memoryUsage.rss(),
  );
  metrics.gauge({ name: "process_open_fds", help: "Open file descriptors, sockets included." }, countDescriptors);
  const descriptorsMax = readDescriptorsMax();
  metrics.gauge({ name: "process_max_fds", help: "File descriptors that may be open." }, () => descriptorsMax);
  metrics.gauge({ name: "nodejs_heap_size_used_bytes", help: "JavaScript heap in use." }, () => {
    return process.memoryUsage().heapUsed;
  });
  metrics.gauge({ name: "nodejs_external_memory_bytes", help: "Memory of buffers and other native objects." }, () => {
    return process.memoryUsage().external;
  });
  metrics.counterOf(
    {
      name: "nodejs_eventloop_time_seconds_total",
      help: "Time in which the event loop waited (idle) or worked (active).",
      labels: { state: ["active", "idle"] },
    },
    ({ state }) => performance.eventLoopUtilization()[state] / 1000,
  );
}

/** On Linux; undefined elsewhere. Since 6.2 the folder's size is the number; listing it takes long where there are many. */
function countDescriptors(): number | undefined {
  const folder = "/proc/self/fd";
  try {
    return statSync(folder).size || readdirSync(folder).length - 1; // without the one that reads the folder
  } catch {
    return undefined;
  }
}

function readDescriptorsMax(): number | undefined {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}

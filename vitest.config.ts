import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** Which tests need what: scripts/test.mjs chooses among the projects by what the machine has. */
const project = (name: string, include: string[], options: object = {}) => ({
  extends: true as const,
  test: { name, include, exclude: ["**/node_modules/**"], ...options },
});

/** Each starts a browser and a server as processes, which takes its time where others do too. */
const inBrowser = { testTimeout: 120_000 };
/**
 * Pods take seconds to start and to end, more where others do too. After the browser's tests: Pods bring network interfaces and
 * take them away, upon which Chromium gives up what it is loading (ERR_NETWORK_CHANGED).
 */
const onCluster = { testTimeout: 120_000, hookTimeout: 90_000, sequence: { groupOrder: 1 } };
/** One file at a time, after those of the groups before: they break parts of the cluster, or need all of it. */
const alone = (groupOrder: number) => ({ ...onCluster, maxWorkers: 1, sequence: { groupOrder } });

/** Hundreds of processes of ours are started: what Node has compiled, and stripped of types, once it need not again. */
const compileCache = fileURLToPath(new URL("node_modules/.cache/spawner-compile", import.meta.url));

export default defineConfig({
  test: {
    env: { NODE_COMPILE_CACHE: compileCache },
    pool: "forks",
    // Most tests wait for processes and clocks rather than compute: there may be more of them than cores.
    maxWorkers: 4,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    projects: [
      project("unit", ["packages/*/src/**/*.test.ts", "demo/**/*.test.ts"]),
      project("e2e", ["test/e2e/*.test.ts"]),
      project("browser", ["test/browser/*.test.ts"], inBrowser),
      project("cluster", ["test/cluster/*.test.ts"], onCluster),
      project("cluster-faults", ["test/cluster-faults/*.test.ts"], alone(2)),
      project("long", ["test/long/*.test.ts"], { exclude: ["test/long/cluster-*"] }),
      project("cluster-long", ["test/long/cluster-*.test.ts"], alone(3)),
    ],
  },
});

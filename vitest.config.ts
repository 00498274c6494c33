import { defineConfig } from "vitest/config";

/** Which tests need what: scripts/test.mjs chooses among the projects by what the machine has. */
const project = (name: string, include: string[]) => ({
  extends: true as const,
  test: { name, include, exclude: ["**/node_modules/**"] },
});

export default defineConfig({
  test: {
    pool: "forks",
    // Most tests wait for processes and clocks rather than compute: there may be more of them than cores.
    maxWorkers: 4,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    projects: [
      project("unit", ["packages/*/src/**/*.test.ts", "demo/**/*.test.ts"]),
      project("e2e", ["test/e2e/*.test.ts"]),
      project("browser", ["test/browser/*.test.ts"]),
      project("cluster", ["test/cluster/*.test.ts"]),
      project("long", ["test/long/*.test.ts"]),
    ],
  },
});

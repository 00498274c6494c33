import { expect, test } from "vitest";
import { Metrics } from "./metrics.ts";
import { makeProcessMetrics } from "./process-metrics.ts";

const lines = async (metrics: Metrics) => (await metrics.text()).split("\n").filter((line) => line && line[0] !== "#");

test("every series of a counter is there at zero; one that is sparse appears with its first event", async () => {
  const metrics = new Metrics();
  const labels = { a: ["x", "y"], b: ["1", "2"] } as const;
  const full = metrics.counter({ name: "full_total", help: "Full.", labels });
  const sparse = metrics.counter({ name: "sparse_total", help: "Sparse.", labels, sparse: true });
  full.with({ a: "y", b: "1" }).add();
  full.with({ b: "1", a: "y" }).add(2);
  sparse.with({ a: "x", b: "2" }).add();
  expect(await lines(metrics)).toEqual([
    'full_total{a="x",b="1"} 0',
    'full_total{a="x",b="2"} 0',
    'full_total{a="y",b="1"} 3',
    'full_total{a="y",b="2"} 0',
    'sparse_total{a="x",b="2"} 1',
  ]);
});

test("a label has no value that is not in its list, and no name is taken twice", () => {
  const metrics = new Metrics();
  const names: readonly string[] = ["x"];
  const counter = metrics.counter({ name: "a_total", help: "A.", labels: { a: names } });
  expect(() => counter.with({ a: "z" })).toThrow('a_total has no series {"a":"z"}');
  expect(() => metrics.gauge({ name: "a_total", help: "A." }, () => 1)).toThrow("already been registered");
});

test("what is read at a scrape is read anew, and left out where there is nothing", async () => {
  const metrics = new Metrics();
  const values: Record<string, number | undefined> = { here: 1, gone: undefined };
  metrics.gauge({ name: "a", help: "A.", labels: { where: ["here", "gone"] } }, ({ where }) => values[where]);
  metrics.counterOf({ name: "b_total", help: "B." }, () => values.here);
  expect(await lines(metrics)).toEqual(['a{where="here"} 1', "b_total 1"]);
  values.here = 5;
  const both = await Promise.all([lines(metrics), lines(metrics)]);
  expect(both).toEqual([
    ['a{where="here"} 5', "b_total 5"],
    ['a{where="here"} 5', "b_total 5"],
  ]);
});

test("a histogram counts each value under every bound that is not below it", async () => {
  const metrics = new Metrics();
  const histogram = metrics.histogram({ name: "a_seconds", help: "A." }, [0.1, 1]);
  for (const value of [0.1, 0.5, 7]) histogram.observe(value);
  expect(await lines(metrics)).toEqual([
    'a_seconds_bucket{le="0.1"} 1',
    'a_seconds_bucket{le="1"} 2',
    'a_seconds_bucket{le="+Inf"} 3',
    "a_seconds_sum 7.6",
    "a_seconds_count 3",
  ]);
});

test.runIf(process.platform === "linux")("a process says what it takes", async () => {
  const metrics = makeProcessMetrics("0");
  const values = new Map((await lines(metrics)).map((line) => line.split(" ") as [string, string]));
  const value = (name: string) => Number(values.get(name));
  expect(value("process_resident_memory_bytes")).toBeGreaterThan(20e6);
  expect(value("process_cpu_seconds_total")).toBeGreaterThan(0.05);
  expect(value("process_cpu_seconds_total")).toBeLessThan(600);
  expect(Math.abs(value("process_start_time_seconds") + process.uptime() - Date.now() / 1000)).toBeLessThan(5);
  expect(value("process_open_fds")).toBeGreaterThan(2);
  expect(value("process_max_fds")).toBeGreaterThanOrEqual(value("process_open_fds"));
  expect(value("nodejs_heap_size_used_bytes")).toBeLessThan(value("process_resident_memory_bytes"));
  expect(value('nodejs_eventloop_time_seconds_total{state="active"}')).toBeGreaterThan(0);
});

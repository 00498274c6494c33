import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import manifest from "../../packages/server/package.json" with { type: "json" };
import { httpStatusOf } from "../../packages/server/src/core/errors.ts";
import { stateOf } from "../../packages/server/src/core/status.ts";
import { runCommand } from "../support/dev.ts";
import { eventually, startEmbedded, type TestSpawner } from "../support/embedded.ts";
import { readDocument } from "../support/metrics-document.ts";
import { type ExposedMetric, parseMetrics, type Sample } from "../support/metrics-text.ts";

const program = fileURLToPath(new URL("../support/program.mjs", import.meta.url));
const main = fileURLToPath(new URL("../../packages/server/src/cli/main.ts", import.meta.url));

/** On a busy machine a program takes seconds to start. */
const patienceMs = 15_000;

/** Runs the usual program, or one that ends by itself before it listens. */
const template = {
  command: ["sh", "-c", `if [ -n "$FAIL" ]; then sleep 3; exit 7; fi; exec "${process.execPath}" "${program}"`],
  cwd: process.cwd(),
};

/** Speaks raw HTTP, each request on a connection of its own that is closed behind it, so that all can be counted. */
class Caller {
  readonly #spawner: TestSpawner;
  /** How often the metrics were asked for. */
  scrapes = 0;

  constructor(spawner: TestSpawner) {
    this.#spawner = spawner;
  }

  open(bytes: string): Socket {
    const socket = connect({ host: "127.0.0.1", port: this.#spawner.port });
    socket.write(Buffer.from(bytes, "latin1"));
    return socket;
  }

  async exchange(bytes: string): Promise<{ status: number; head: string; body: string }> {
    const socket = this.open(bytes);
    let answer = "";
    for await (const part of socket) answer += part;
    const end = answer.indexOf("\r\n\r\n");
    return { status: Number(answer.split(" ")[1]), head: answer.slice(0, end), body: answer.slice(end + 4) };
  }

  ask(target: string, { method = "GET", headers = "", body = "" } = {}) {
    return this.exchange(message(target, { method, headers, body }));
  }

  /** The id of a new backend, or the status of the refusal. */
  async spawn(request: object): Promise<string> {
    const headers = "content-type: application/json\r\n";
    const { status, body } = await this.ask("/api/spawn", { method: "POST", headers, body: JSON.stringify(request) });
    return status === 200 ? (JSON.parse(body) as { name: string }).name : String(status);
  }

  async metrics(): Promise<Exposed> {
    const { status, body } = await this.ask("/api/metrics");
    expect(status).toBe(200);
    this.scrapes += 1;
    return new Exposed(body);
  }

  /** Waits until a series has a value. */
  eventually(name: string, value: number, labels: Sample["labels"] = {}) {
    return eventually(
      `${name} ${JSON.stringify(labels)} ${value}`,
      async () => (await this.metrics()).value(name, labels) === value,
      patienceMs,
    );
  }
}

class Exposed {
  readonly metrics: ReadonlyMap<string, ExposedMetric>;
  readonly samples: readonly Sample[];

  constructor(text: string) {
    this.metrics = parseMetrics(text);
    this.samples = [...this.metrics.values()].flatMap(({ samples }) => samples);
  }

  value(name: string, labels: Sample["labels"] = {}): number | undefined {
    return this.samples.find((sample) => sample.name === name && isSame(sample.labels, labels))?.value;
  }

  /** What is not zero, by the values of its labels. */
  counted(name: string): Record<string, number> {
    const samples = this.metrics.get(name)?.samples.filter(({ value }) => value !== 0) ?? [];
    return Object.fromEntries(samples.map(({ labels, value }) => [Object.values(labels).join(" "), value]));
  }
}

function message(target: string, { method = "GET", headers = "", body = "" } = {}): string {
  const length = body === "" ? "" : `content-length: ${body.length}\r\n`;
  return `${method} ${target} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n${headers}${length}\r\n${body}`;
}

function isSame(a: Sample["labels"], b: Sample["labels"]): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

const untilState = ({ engine }: TestSpawner, id: string, state: string) =>
  eventually(
    `${id} is ${state}`,
    async () => {
      const backend = await engine.backends.get(`spawner-${id}`);
      return backend !== undefined && stateOf(backend) === state;
    },
    patienceMs,
  );

test("are those that the document lists: names, types, labels and every value of a label", async () => {
  const spawner = await startEmbedded();
  const { metrics } = await new Caller(spawner).metrics();
  const documented = readDocument();
  expect([...metrics.keys()].sort()).toEqual([...documented.keys()].sort());
  for (const [name, { type, samples }] of metrics) {
    expect([name, type]).toEqual([name, documented.get(name)?.type]);
    if (type === "histogram" || name === "spawner_api_requests_total") continue; // below; appears with its requests
    const labels = samples.flatMap((sample) => Object.entries(sample.labels));
    const values = Object.fromEntries(
      Object.keys(documented.get(name)?.labels ?? {}).map((label) => [
        label,
        [...new Set(labels.filter(([key]) => key === label).map(([, value]) => value))],
      ]),
    );
    const expected = name === "spawner_build_info" ? { version: [manifest.version] } : documented.get(name)?.labels;
    expect([name, values]).toEqual([name, expected]);
  }

  const document = (await (await fetch(`${spawner.url}/api/openapi.json`)).json()) as { paths: Record<string, object> };
  const routes = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations)
      .filter((key) => ["get", "post", "put", "patch", "delete"].includes(key))
      .map((method) => `${method.toUpperCase()} ${path.replaceAll("{id}", ":id")}`),
  );
  const { route, code } = documented.get("spawner_api_requests_total")?.labels ?? {};
  expect(route?.toSorted()).toEqual([...routes, "none"].sort());
  const statuses = new Set([200, 202, 204, 302, ...Object.values(httpStatusOf)]);
  expect(code).toEqual([...[...statuses].sort((a, b) => a - b).map(String), "other"]);
});

test("are true after a known course of events", async () => {
  const spawner = await startEmbedded({ template, backendsMax: 3, parkedMax: 1 });
  const caller = new Caller(spawner);

  // Two requests before the program listens: there is room for one. Then two clients.
  const first = await caller.spawn({ env: { LISTEN_AFTER_MS: "700" } });
  const early = caller.ask(`/${first}/`);
  await caller.eventually("spawner_gateway_parked_requests", 1);
  expect((await caller.ask(`/${first}/`)).status).toBe(503);
  expect((await early).status).toBe(200);
  const clients = [1, 2].map(() => new WebSocket(`ws://127.0.0.1:${spawner.port}/${first}/`));
  await Promise.all(clients.map((client) => once(client, "open")));
  await caller.eventually("spawner_gateway_upgraded_connections", 2);
  await caller.eventually("spawner_gateway_open_connections", 3); // the one that asks is one

  // A client that leaves while it waits.
  const second = await caller.spawn({ env: { LISTEN_AFTER_MS: "60000" } });
  const leaving = caller.open(message(`/${second}/`));
  await caller.eventually("spawner_gateway_parked_requests", 1);
  leaving.resetAndDestroy();
  await caller.eventually("spawner_gateway_parked_requests", 0);

  // A program that ends before it listens, and one backend too many meanwhile.
  const third = await caller.spawn({ env: { FAIL: "1" } });
  const disappointed = caller.ask(`/${third}/`);
  const browser = { headers: "accept: text/html\r\n" };
  expect(await caller.spawn({})).toBe("429");
  expect((await caller.ask("/", browser)).status).toBe(429);
  expect(await caller.spawn({ port: "eighty" })).toBe("400");
  expect((await disappointed).status).toBe(410);

  expect((await caller.ask(`/api/backend/${second}`, { method: "DELETE" })).status).toBe(202);
  for (const client of clients) client.close();
  await untilState(spawner, first, "Swept");
  await untilState(spawner, second, "Swept");

  // Whoever opens the front page gets a backend too.
  expect((await caller.ask("/", browser)).status).toBe(303);
  expect((await caller.ask("/nobody/")).status).toBe(404);
  await caller.eventually("spawner_backends", 1, { state: "Ready" });
  await caller.eventually("spawner_gateway_open_connections", 1);
  await caller.eventually("spawner_controller_queue_depth", 0);

  const { scrapes } = caller;
  const exposed = await caller.metrics();
  expect(exposed.counted("spawner_backends")).toEqual({ Ready: 1 });
  expect(exposed.counted("spawner_backends_ended_total")).toEqual({ Idle: 1, Requested: 1, Crashed: 1 });
  expect(exposed.value("spawner_backend_start_duration_seconds_count")).toBe(2);
  expect(exposed.value("spawner_backend_start_duration_seconds_sum")).toBeGreaterThan(0.7);
  expect(exposed.value("spawner_sweep_lateness_seconds_count")).toBe(1);
  expect(exposed.value("spawner_sweep_lateness_seconds_sum")).toBeLessThan(5);
  expect(exposed.value("spawner_sweeper_backends")).toBe(1);
  expect(exposed.value("spawner_sweep_errors_total")).toBe(0);
  expect(exposed.value("spawner_controller_reconcile_errors_total")).toBe(0);
  expect(exposed.value("spawner_controller_reconcile_duration_seconds_count")).toBeGreaterThan(4);

  expect(exposed.counted("spawner_gateway_parked_requests_total")).toEqual({ ready: 1, full: 1, gone: 1, ended: 1 });
  expect(exposed.value("spawner_gateway_parked_requests")).toBe(0);
  expect(exposed.value("spawner_gateway_upgraded_connections")).toBe(0);
  expect(exposed.counted("spawner_gateway_requests_total")).toEqual({
    "backend 1xx": 2,
    "backend 2xx": 1,
    "api 2xx": scrapes + 4,
    "api 4xx": 2,
    "gateway 3xx": 1,
    "gateway 4xx": 3,
    "gateway 5xx": 1,
  });
  expect(exposed.counted("spawner_api_requests_total")).toEqual({
    "POST /spawn 200": 3,
    "POST /spawn 400": 1,
    "POST /spawn 429": 1,
    "DELETE /backend/:id 202": 1,
    "GET /metrics 200": scrapes,
  });
  expect(exposed.value("spawner_spawn_requests_accepted_total")).toBe(4);
  expect(exposed.counted("spawner_spawn_requests_refused_total")).toEqual({ invalid_request: 1, too_many_backends: 2 });
  expect(exposed.counted("spawner_store_writes_total")).toMatchObject({ create: 6, requestStop: 1 });
  expect(exposed.counted("spawner_store_write_errors_total")).toEqual({});
});

test("have no label that a client chose, and no more series for the oddest of them", async () => {
  const spawner = await startEmbedded();
  const caller = new Caller(spawner);
  const before = await caller.metrics();
  const odd = "evil";
  const json = "content-type: application/json\r\n";
  const id = await caller.spawn({ env: { EVIL: odd } });
  const requests = [
    message(`/${id}/${odd}?${odd}`, { method: odd.toUpperCase(), headers: `${odd}: ${odd}\r\n` }),
    message(`/${id}/`, { headers: `x-spawner-backend: ${odd}/${odd}\r\n` }),
    message(`/${odd}"\\x/`, {}),
    message(`/${odd}/`, { method: "evil" }),
    message(`http://${odd}/${odd}`),
    message(`${odd}:80`, { method: "CONNECT" }),
    message("/").replace("127.0.0.1", odd),
    message("/api/metrics").replace("127.0.0.1", odd),
    message(`/api/${odd}`),
    message(`/api/${odd}`, { method: "EVIL" }),
    message("/api/%zz"),
    message(`/api/backend/${odd}/status`),
    message(`/api/backend/${odd.repeat(100)}`),
    message(`/api/backend/${odd}%0a%22%5c`, { method: "DELETE" }),
    message("/api/backends", { method: odd }),
    message("/api/backends", { method: "HEAD" }),
    message(`/api/backends?label=-${odd}`),
    message("/api/spawn", { method: "POST", headers: json, body: `{"${odd}":"${odd}"}` }),
    message("/api/spawn", { method: "POST", headers: json, body: `{"image":"${odd}"}` }),
    message("/api/spawn", { method: "POST", headers: `content-type: text/${odd}\r\n`, body: odd }),
    `${odd}\r\n\r\n`,
  ];
  for (const bytes of requests)
    expect([bytes, (await caller.exchange(bytes)).status]).toEqual([bytes, expect.any(Number)]);

  const after = await caller.metrics();
  const documented = readDocument();
  for (const [name, { samples }] of after.metrics) {
    for (const [label, value] of samples.flatMap(({ labels }) => Object.entries(labels))) {
      if (label === "le" || label === "version") continue;
      expect([name, documented.get(name)?.labels[label]]).toEqual([name, expect.arrayContaining([value])]);
    }
  }
  const keysOf = ({ samples }: Exposed) =>
    samples
      .filter(({ name }) => name !== "spawner_api_requests_total")
      .map(({ name, labels }) => `${name} ${Object.values(labels).join(" ")}`);
  expect(keysOf(after)).toEqual(keysOf(before));
  expect(JSON.stringify(after.samples)).not.toMatch(new RegExp(`${odd}|${id}`, "i"));
  expect(after.counted("spawner_api_requests_total")).toEqual({
    "POST /spawn 200": 1,
    "POST /spawn 400": 2,
    "POST /spawn 415": 1,
    "GET /backends 200": 1,
    "GET /backends 400": 1,
    "GET /backend/:id/status 404": 1,
    "DELETE /backend/:id 404": 1,
    "GET /metrics 200": 1,
    "none 400": 3,
    "none 404": 2,
  });
  expect(after.counted("spawner_spawn_requests_refused_total")).toEqual({
    invalid_request: 2,
    unsupported_media_type: 1,
  });
});

test("say when records cannot be written", async () => {
  const spawner = await startEmbedded();
  const caller = new Caller(spawner);
  await spawner.engine.close(); // as good as a disk that is gone: nothing can be written
  expect(await caller.spawn({})).toBe("503");
  const exposed = await caller.metrics();
  expect(exposed.counted("spawner_store_write_errors_total")).toEqual({ create: 1 });
  expect(exposed.counted("spawner_spawn_requests_refused_total")).toEqual({ unavailable: 1 });
});

test("are of Prometheus' media type, and are asked with HEAD too", async () => {
  const caller = new Caller(await startEmbedded());
  const { head, body } = await caller.ask("/api/metrics");
  expect(head).toMatch(/^content-type: text\/plain; version=0\.0\.4; charset=utf-8$/im);
  expect(head).toMatch(/^cache-control: no-store$/im);
  expect(body).toMatch(/^spawner_backends\{state="Ready"\} 0$/m);
  expect(await caller.ask("/api/metrics", { method: "HEAD" })).toMatchObject({ status: 200, body: "" });
});

test("are loaded by what serves, and by no command that only asks", async () => {
  const listLoaded = `data:text/javascript,import { createRequire } from "node:module";
    const count = () => Object.keys(createRequire("/").cache).filter((file) => file.includes("prom-client")).length;
    process.on("exit", () => console.log("loaded:", count()));`;
  const run = async (args: string[]) => {
    const { output, exited } = runCommand([process.execPath, "--import", listLoaded, ...args]);
    await exited;
    return Number(/loaded: (\d+)/.exec(output.text)?.[1]);
  };
  expect(await run([main, "ls", "--url", "http://127.0.0.1:1/api"])).toBe(0);
  const embedded = fileURLToPath(new URL("../../packages/server/src/embedded/index.ts", import.meta.url));
  expect(await run([embedded])).toBeGreaterThan(0);
});

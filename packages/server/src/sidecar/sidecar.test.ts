import { createServer } from "node:http";
import { expect, onTestFinished, test, vi } from "vitest";
import { readDocument } from "../../../../test/support/metrics-document.ts";
import { parseMetrics } from "../../../../test/support/metrics-text.ts";
import type { RelayHostState } from "../core/relay-host.ts";
import { HttpRelayHost } from "../engine/http-relay-host.ts";
import { systemClock } from "../lib/clock.ts";
import { run } from "./index.ts";

test("the sidecar finds the program by its port, relays to it and says so", async () => {
  const program = createServer((_, response) => response.end("hello"));
  await new Promise<void>((resolve) => program.listen(0, "127.0.0.1", resolve));
  const { port: upstreamPort } = program.address() as { port: number };
  await new Promise((resolve) => program.close(resolve));

  const sidecar = await run(
    { host: "127.0.0.1", port: 0, controlPort: 0, upstreamPort, gracePeriodSeconds: 0, firstClientSeconds: 0 },
    { clock: systemClock },
  );
  onTestFinished(() => sidecar.close());
  const states: RelayHostState[] = [];
  const relayHost = new HttpRelayHost(
    { controlUrl: `http://127.0.0.1:${sidecar.controlPort}` },
    { clock: systemClock },
  );
  onTestFinished(relayHost.watch({ onState: (state) => states.push(state), onLost() {} }));
  await vi.waitFor(() => expect(states.at(-1)).toMatchObject({ ready: false }));

  await new Promise<void>((resolve) => program.listen(upstreamPort, "127.0.0.1", resolve));
  onTestFinished(() => {
    program.closeAllConnections();
    program.close();
  });
  await vi.waitFor(() => expect(states.at(-1)).toMatchObject({ ready: true }));
  expect(await (await fetch(`http://127.0.0.1:${sidecar.port}/`)).text()).toBe("hello");
});

test("the sidecar knows its program by a token of its own, and says that it is busy", async () => {
  const sidecar = await run(
    {
      host: "127.0.0.1",
      port: 0,
      controlPort: 0,
      upstreamPort: 1,
      gracePeriodSeconds: 0,
      firstClientSeconds: 0,
      controlTokenSha256: "0".repeat(64),
      programToken: "program-token",
    },
    { clock: systemClock },
  );
  onTestFinished(() => sidecar.close());
  const control = `http://127.0.0.1:${sidecar.controlPort}`;
  const say = (token: string) =>
    fetch(`${control}/busy`, {
      method: "PUT",
      headers: { authorization: `Bearer ${token}` },
      body: '{"ttlSeconds":60}',
    });
  expect((await say("another's")).status).toBe(401);
  expect((await say("program-token")).status).toBe(200);
  expect(await (await fetch(`${control}/metrics`)).text()).toContain("\nspawner_sidecar_busy 1\n");
});

test("a control port that is taken leaves no serve port open", async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void taken.close());
  const { port: controlPort } = taken.address() as { port: number };
  const config = {
    host: "127.0.0.1",
    port: 0,
    controlPort,
    upstreamPort: 1,
    gracePeriodSeconds: 0,
    firstClientSeconds: 0,
  };
  await expect(run(config, { clock: systemClock })).rejects.toMatchObject({ code: "EADDRINUSE" });
});

test("the sidecar says without a token what it counts, and names nobody", async () => {
  const program = createServer((_, response) => response.end("hello"));
  await new Promise<void>((resolve) => program.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    program.closeAllConnections();
    program.close();
  });
  const { port: upstreamPort } = program.address() as { port: number };
  const sidecar = await run(
    {
      host: "127.0.0.1",
      port: 0,
      controlPort: 0,
      upstreamPort,
      gracePeriodSeconds: 60,
      firstClientSeconds: 0,
      identity: "secret-name/secret-uid",
      controlTokenSha256: "0".repeat(64),
    },
    { clock: systemClock },
  );
  onTestFinished(() => sidecar.close());
  await (await fetch(`http://127.0.0.1:${sidecar.port}/`)).text();

  const answer = await fetch(`http://127.0.0.1:${sidecar.controlPort}/metrics`);
  expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4");
  const text = await answer.text();
  const metrics = parseMetrics(text);
  const values = Object.fromEntries([...metrics].map(([name, { samples }]) => [name, samples[0]?.value]));
  expect(values).toMatchObject({
    spawner_sidecar_ready: 1,
    spawner_sidecar_sealed: 0,
    spawner_sidecar_live_connections: 0,
    spawner_sidecar_busy: 0,
    spawner_sidecar_waiting_requests: 0,
    spawner_sidecar_open_connections: 1,
    spawner_sidecar_upgraded_connections: 0,
  });
  expect(values.spawner_sidecar_received_bytes_total).toBeGreaterThan(20);
  expect(values.spawner_sidecar_sent_bytes_total).toBeGreaterThan(50);
  expect(values.process_resident_memory_bytes).toBeGreaterThan(20e6);
  expect(text).not.toMatch(/secret/);
  expect([...metrics.keys()].sort()).toEqual([...readDocument({ of: "sidecar" }).keys()].sort());
});

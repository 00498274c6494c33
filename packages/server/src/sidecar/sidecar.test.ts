import { createServer } from "node:http";
import { expect, onTestFinished, test, vi } from "vitest";
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

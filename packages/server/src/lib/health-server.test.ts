import { connect } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { type HealthDeps, openHealthServer } from "./health-server.ts";

async function start(deps: Partial<HealthDeps> = {}) {
  const server = await openHealthServer(
    { host: "127.0.0.1", port: 0 },
    {
      whyNotReady: () => undefined,
      metrics: async () => ({ text: "answers 42\n", contentType: "text/plain; version=0.0.4" }),
      ...deps,
    },
  );
  onTestFinished(() => server.close());
  const url = `http://127.0.0.1:${server.port}`;
  const ask = async (path: string, init?: RequestInit) => {
    const response = await fetch(`${url}${path}`, init);
    return { status: response.status, type: response.headers.get("content-type"), body: await response.text() };
  };
  return { server, ask };
}

test("says that the process runs, and gives its metrics with their media type", async () => {
  const { ask } = await start();
  expect(await ask("/healthz")).toMatchObject({ status: 200, body: "ok\n" });
  expect(await ask("/metrics")).toEqual({ status: 200, type: "text/plain; version=0.0.4", body: "answers 42\n" });
  expect(await ask("/else")).toMatchObject({ status: 404 });
  expect(await ask("/healthz", { method: "HEAD" })).toMatchObject({ status: 200, body: "" });
});

test("is ready as long as there is no reason against it, and says the reason", async () => {
  let reason: string | undefined = "the backends have not been read yet";
  const { ask } = await start({ whyNotReady: () => reason });
  expect(await ask("/readyz")).toMatchObject({ status: 503, body: "the backends have not been read yet\n" });
  reason = undefined;
  expect(await ask("/readyz")).toMatchObject({ status: 200, body: "ready\n" });
});

test("breaks off where the metrics cannot be read, and goes on", async () => {
  const { ask } = await start({ metrics: () => Promise.reject(new Error("no")) });
  await expect(ask("/metrics")).rejects.toThrow("fetch failed");
  expect((await ask("/healthz")).status).toBe(200);
});

test("closes though a connection is open that says nothing", async () => {
  const { server } = await start();
  const socket = connect(server.port, "127.0.0.1");
  await new Promise((resolve) => socket.once("connect", resolve));
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await server.close();
  await closed;
});

test("rejects where the port is taken", async () => {
  const { server } = await start();
  await expect(
    start().then(() =>
      openHealthServer(server, { whyNotReady: () => undefined, metrics: async () => ({ text: "", contentType: "" }) }),
    ),
  ).rejects.toThrow("EADDRINUSE");
});

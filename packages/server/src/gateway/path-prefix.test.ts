import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { reachedPatch } from "../core/status.ts";
import { startGateway } from "./fixture.ts";

/** A gateway with backends below /p, one of which, b4x, says what it was asked and sends whoever asks on to /login. */
async function start() {
  const program = createServer((request, response) => {
    const headers = { location: "/login", "set-cookie": "a=b; Path=/" };
    response.writeHead(302, headers).end(JSON.stringify({ url: request.url, ...request.headers }));
  });
  await new Promise<void>((resolve) => program.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void program.close());
  const { port } = program.address() as AddressInfo;
  const gateway = await startGateway({ pathPrefix: "/p" });
  const spec = { template: { containers: [{ name: "application" }] } };
  const backend = await gateway.backends.create({ name: "b4x", spec });
  const address = { ip: "127.0.0.1", port, nodeName: "n", workloadUID: "w" };
  const patch = reachedPatch(backend, { Ready: new Date() }, address) ?? {};
  await gateway.backends.patchStatus(backend.metadata, patch);
  const get = (target: string) => gateway.exchange(`GET ${target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`);
  return { get };
}

test("a backend below the prefix is asked without it, and told of it", async () => {
  const { get } = await start();
  const answer = await get("/p/b4x/deep/path?q=1");
  expect(JSON.parse(/\{.*\}/.exec(answer)?.[0] ?? "")).toMatchObject({
    url: "/deep/path?q=1",
    "x-forwarded-prefix": "/p/b4x",
  });
  expect(answer).toMatch(/location: \/p\/b4x\/login\r\n/i);
  expect(answer).toMatch(/set-cookie: a=b; Path=\/p\/b4x\/\r\n/i);
});

test("the slash behind its id is asked for below the prefix too", async () => {
  const { get } = await start();
  expect(await get("/p/b4x?a")).toMatch(/^HTTP\/1\.1 308 [\s\S]*location: \/p\/b4x\/\?a\r\n/i);
});

test("beside the prefix is the gateway's own, and no backend", async () => {
  const { get } = await start();
  expect(await get("/healthz")).toMatch(/^HTTP\/1\.1 200 /);
  expect(await get("/b4x/")).toMatch(/^HTTP\/1\.1 404 /);
  expect(await get("/")).toMatch(/^HTTP\/1\.1 404 [\s\S]*\/p\/<id>\//);
});

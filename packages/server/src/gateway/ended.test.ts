import { createServer } from "node:http";
import { type AddressInfo, BlockList } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { endedPatch, reachedPatch } from "../core/status.ts";
import { startGateway, type TestGatewayOptions } from "./fixture.ts";

const navigation = "accept: text/html\r\nsec-fetch-mode: navigate\r\n";
const loopback = new BlockList();
loopback.addAddress("127.0.0.1");

async function setUp({ requireToken = false, ...config }: TestGatewayOptions & { requireToken?: boolean } = {}) {
  const { backends, exchange } = await startGateway({ trustedProxies: loopback, ...config });
  const spec = { template: { containers: [{}] }, requireToken };
  const backend = await backends.create({ name: "b4x", spec });
  const get = (fields = "") => exchange(`GET /b4x/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n${fields}\r\n`);
  const end = async () => {
    const message = "The program exited with code 1. Its last output:\npassword: hunter2";
    const latest = (await backends.get("b4x")) ?? backend;
    const patch = endedPatch(latest, { reason: "Crashed", message, at: new Date() }) ?? {};
    await backends.patchStatus(latest.metadata, patch);
  };
  return { backends, backend, get, end };
}

test.each([
  ["a program", ""],
  ["a browser", navigation],
])("%s is told how a backend ended, and by one that asks for tokens not what its program wrote", async (_, fields) => {
  for (const [options, isWritten] of [
    [{}, true],
    [{ requireToken: true }, false],
  ] as const) {
    const { get, end } = await setUp(options);
    await end();
    const answer = await get(fields);
    expect(answer).toMatch(/^HTTP\/1\.1 410 /);
    expect(answer).toContain("Crashed");
    expect(answer).toContain("The program exited with code 1.");
    expect(answer.includes("hunter2")).toBe(isWritten);
  }
});

test("a browser whose backend ends before it has answered is shown the end, with its style behind a proxy", async () => {
  const { backends, backend, get, end } = await setUp();
  const program = createServer(async (request) => {
    await end();
    await vi.waitFor(async () => expect(await get()).toMatch(/^HTTP\/1\.1 410 /), { timeout: 10_000, interval: 5 });
    request.socket.destroy();
  });
  await new Promise<void>((resolve) => program.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void program.close());
  const { port } = program.address() as AddressInfo;
  const address = { ip: "127.0.0.1", port, nodeName: "n", workloadUID: "w" };
  await backends.patchStatus(backend.metadata, reachedPatch(backend, { Ready: new Date() }, address) ?? {});
  const answer = await get(`${navigation}x-forwarded-for: 192.0.2.1\r\nx-forwarded-prefix: /base\r\n`);
  expect(answer).toMatch(/^HTTP\/1\.1 410 /);
  expect(answer).toContain("<h1>The session has failed</h1>");
  expect(answer).toContain('href="/base/_spawner/waiting.css"');
});

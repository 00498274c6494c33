import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { startGateway } from "./fixture.ts";

/** An API that says what it was asked. */
async function startEcho() {
  const server = createServer((request, response) => {
    response.end(JSON.stringify({ url: request.url, ...request.headers }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
}

const get = (target: string, host: string) => `GET ${target} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`;

test.each([
  ["another host", "http://evil.example/api/healthz", "127.0.0.1"],
  ["another host with a port", "http://evil.example:80/api/healthz", "127.0.0.1"],
  ["another host at /", "http://evil.example", "127.0.0.1"],
  ["another host behind a user's name", "http://127.0.0.1@evil.example/api/healthz", "127.0.0.1"],
  ["another host in the Host field", "/api/healthz", "evil.example"],
])("a request for %s is refused, whatever its Host field says", async (_what, target, host) => {
  const { exchange } = await startGateway({ allowedHosts: ["127.0.0.1"], api: startEcho() });
  expect(await exchange(get(target, host))).toMatch(/^HTTP\/1\.1 403 [\s\S]*evil\.example.* is not served here/);
});

test.each([
  ["http://127.0.0.1:8080/api/x?y", "evil.example", "127.0.0.1:8080"],
  ["HTTP://LOCALHOST/api/x?y", "evil.example", "LOCALHOST"],
  ["/api/x?y", "localhost:1", "localhost:1"],
])("a request for %s with Host %s is one for %s, and is passed on as such", async (target, host, asked) => {
  const { exchange } = await startGateway({ allowedHosts: ["127.0.0.1", "localhost"], api: startEcho() });
  const answer = await exchange(get(target, host));
  const [, body = ""] = /^HTTP\/1\.1 200 OK\r\n[\s\S]*(\{.*\})/.exec(answer) ?? [];
  expect(JSON.parse(body)).toMatchObject({ url: "/x?y", host: asked, "x-forwarded-host": asked });
});

test("a request of HTTP/1.0 without a Host is passed on without one", async () => {
  const { exchange } = await startGateway({ api: startEcho() });
  const answer = await exchange("GET /api/x HTTP/1.0\r\n\r\n");
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(answer).not.toContain('"host"');
});

test("a host with a user's name in front is no host (RFC 9110 4.2.4)", async () => {
  const { exchange } = await startGateway({ api: startEcho() });
  expect(await exchange(get("http://user@a/api/x", "a"))).toMatch(/^HTTP\/1\.1 400 [\s\S]*user@a/);
});

test("a path that begins with two slashes is told what is wrong with it", async () => {
  const { exchange } = await startGateway();
  expect(await exchange(get("//b4x/y", "a"))).toMatch(/^HTTP\/1\.1 404 [\s\S]*one slash in front of the id/);
});

import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { collectGarbage } from "../../../../test/support/garbage.ts";
import { patientFetch } from "./patient-fetch.ts";

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/a?b=c`;
}

test("sends method, headers and body, and gives status, headers and body", async () => {
  const url = await serve((request, response) => {
    request.setEncoding("utf8").on("data", (body) => {
      response.writeHead(418, { "x-answer": "a" });
      response.end(`${request.method} ${request.url} ${request.headers["x-ask"]} ${body}`);
    });
  });
  const response = await patientFetch(url, { method: "POST", headers: { "x-ask": "1" }, body: "ä" });
  expect(response.status).toBe(418);
  expect(response.headers.get("x-answer")).toBe("a");
  expect(await response.text()).toBe("POST /a?b=c 1 ä");
});

test("an answer without a body has none", async () => {
  const url = await serve((_, response) => void response.writeHead(204).end());
  expect((await patientFetch(url)).body).toBeNull();
});

test("a redirect is given as it is, as by fetch where it is asked for that, and not followed", async () => {
  const url = await serve((_, response) => void response.writeHead(307, { location: "http://127.0.0.1:1/" }).end());
  for (const send of [patientFetch, fetch]) {
    const { status, headers } = await send(url, { method: "POST", body: "secret", redirect: "manual" });
    expect([status, headers.get("location")]).toEqual([307, "http://127.0.0.1:1/"]);
  }
});

test("nobody who listens is told as fetch does, with the cause", async () => {
  await expect(patientFetch("http://127.0.0.1:1/")).rejects.toMatchObject({
    name: "TypeError",
    cause: { code: "ECONNREFUSED" },
  });
});

test("an answer that is cut rejects", async () => {
  const url = await serve((_, response) => void response.write("half", () => response.destroy()));
  const response = await patientFetch(url);
  await expect(response.text()).rejects.toThrow();
});

test("a signal ends an answer, however much garbage was collected before", async () => {
  const closed = Promise.withResolvers<void>();
  const url = await serve((_, response) => {
    response.on("close", closed.resolve).write("a");
  });
  const leaving = new AbortController();
  const reader = (await patientFetch(url, { signal: leaving.signal })).body?.getReader();
  await reader?.read();
  for (let turn = 0; turn < 5; turn++) {
    collectGarbage();
    await new Promise((resolve) => setImmediate(resolve));
  }
  leaving.abort();
  await expect(reader?.read()).rejects.toThrow();
  await closed.promise;
});

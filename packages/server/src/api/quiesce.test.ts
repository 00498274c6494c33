import type { SpawnResponse } from "@spawner/client";
import { expect, test, vi } from "vitest";
import { converse, startApi } from "./fixture.ts";

const patient = { mostMs: 20_000, signal: new AbortController().signal };

async function* endless() {
  yield Buffer.from("a line\n");
  await new Promise(() => {});
}

async function startWithBackend() {
  const api = await startApi({ logs: endless });
  const { name } = (await (await api.post("{}")).json()) as SpawnResponse;
  return { ...api, id: name };
}

test("a status stream ends in an orderly way, before the backend does, so that its client asks again", async () => {
  const api = await startWithBackend();
  const stream = await fetch(`${api.url}/backend/${api.id}/status/stream`);
  await api.quiesce(patient);
  expect(await stream.text()).toMatch(/^id: .*\ndata: \{"state":"Submitted".*\n\n$/);
});

test("a stream that is opened meanwhile says what there is, and ends", async () => {
  const api = await startWithBackend();
  await api.quiesce(patient);
  const stream = await fetch(`${api.url}/backend/${api.id}/status/stream`);
  expect([stream.headers.get("connection"), await stream.text()]).toEqual([
    "close",
    expect.stringContaining("Submitted"),
  ]);
});

test("a request in flight is answered, and is the last one of its connection", async () => {
  const api = await startWithBackend();
  const { write, until, closed } = converse(api.port);
  const body = '{"env":{}}';
  write(`POST /spawn HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n`);
  write("expect: 100-continue\r\n\r\n");
  await until(/^HTTP\/1.1 100/);
  let isQuiet = false;
  const quiet = api.quiesce(patient).then(() => {
    isQuiet = true;
  });
  await new Promise(setImmediate);
  expect(isQuiet).toBe(false);
  write(body);
  expect(await closed).toMatch(/HTTP\/1.1 200 OK[\s\S]*connection: close[\s\S]*"name"/i);
  await quiet;
});

test("logs that are followed are not waited for, and are cut off at the end, since that is not the program's", async () => {
  const api = await startWithBackend();
  const logs = converse(api.port);
  logs.write(`GET /backend/${api.id}/logs?follow=true HTTP/1.1\r\nhost: a\r\n\r\n`);
  await api.reach(api.id, "Running");
  await logs.until(/a line/);
  await api.quiesce(patient);
  await api.close();
  expect(await logs.closed).not.toMatch(/\r\n0\r\n\r\n$/);
});

test("whoever never finishes a request is waited for as long as was said, or until it is to hurry", async () => {
  const api = await startWithBackend();
  const { write } = converse(api.port);
  write("POST /spawn HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{");
  const text = async () => (await fetch(`${api.url}/healthz`)).status;
  await vi.waitFor(async () => expect(await text()).toBe(200));
  await api.quiesce({ ...patient, mostMs: 50 });
  await api.quiesce({ ...patient, signal: AbortSignal.abort() });
});

import type { SpawnResponse } from "@spawner/client";
import { describe, expect, test } from "vitest";
import { converse, startApi } from "./fixture.ts";

const statusesIn = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`;
const post = (body: string) =>
  `POST /spawn HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

async function startWithBackend() {
  const api = await startApi();
  const { name: id } = (await (await api.post("{}")).json()) as SpawnResponse;
  return { ...api, id, ...converse(api.port) };
}

describe("what is no HTTP", () => {
  test("behind a request that is not answered yet: that one is answered, and not the other in its place", async () => {
    const { write, closed, engine } = await startWithBackend();
    write(`${post("{}")}garbage\r\n\r\n`);
    const text = await closed;
    expect(statusesIn(text)).toEqual([200]);
    expect(text).toMatch(/connection: close/i);
    expect((await engine.backends.list()).items).toHaveLength(2);
  });

  test("behind a request that wants the connection closed: it is answered all the same", async () => {
    const { write, closed } = await startWithBackend();
    write(`${get("/healthz").replace("host: a", "host: a\r\nconnection: close")}garbage\r\n\r\n`);
    expect(statusesIn(await closed)).toEqual([200]);
  });

  test("behind an answer: it is refused", async () => {
    const { write, until, closed } = await startWithBackend();
    write(get("/healthz"));
    await until(/\{\}$/);
    write("garbage\r\n\r\n");
    const text = await closed;
    expect(statusesIn(text)).toEqual([200, 400]);
    expect(text).toMatch(/HTTP\/1\.1 400 Bad Request\r\n.*date: .*"code":"invalid_request"/s);
  });

  test("while a stream is sent: nothing of ours gets into the stream, and the connection ends with it", async () => {
    const { id, write, until, closed, end, url } = await startWithBackend();
    write(get(`/backend/${id}/status/stream`));
    await until(/Submitted/);
    for (let count = 0; count < 20; count++) write("garbage\r\n\r\n");
    write(get("/healthz"));
    await fetch(`${url}/healthz`); // what came to the server before this has been looked at
    await end(id, "Requested");
    const text = await closed;
    expect(statusesIn(text)).toEqual([200]);
    expect(text).toMatch(/"state":"Swept".*\r\n0\r\n\r\n$/s);
  });

  test("in a body: it is refused, once", async () => {
    const { write, closed } = await startWithBackend();
    write(
      "POST /spawn HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\nzz",
    );
    write("\r\nzz\r\n");
    expect(statusesIn(await closed)).toEqual([400]);
  });

  test("in the body of a request that was refused without it: there is no second answer", async () => {
    const { write, until, closed } = await startWithBackend();
    write("PUT /spawn HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n");
    await until(/405 Method Not Allowed.*\}$/s);
    write("zz\r\n");
    expect(statusesIn(await closed)).toEqual([405]);
  });
});

test("CONNECT behind a request that is not answered yet comes after its answer", async () => {
  const { write, closed } = await startWithBackend();
  write(`${get("/healthz")}CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n`);
  expect(statusesIn(await closed)[0]).toBe(200);
});

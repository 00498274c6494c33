import { expect, test } from "vitest";
import {
  type Answerer,
  badGatewayPage,
  collect,
  errorBody,
  hurriedClient,
  inParts,
  json,
  startServer,
} from "./fixture.ts";

const text = "\uFEFFerst 😀\nzweitens Ü\r\n\u0000drittens\n";

function plain(parts: readonly Uint8Array[], options: { isCut?: boolean } = {}): Answerer {
  return inParts(parts, { contentType: "text/plain; charset=utf-8", ...options });
}

test("characters stay whole, wherever the bytes are cut, and nothing is taken away", async () => {
  const { url } = await startServer(plain(Array.from(new TextEncoder().encode(text), (byte) => Uint8Array.of(byte))));
  const { items, error } = await collect(hurriedClient(url).logs("b1"));
  expect(error).toBeUndefined();
  expect(items.join("")).toBe(text);
});

test("what is no UTF-8 becomes the replacement character, at the end as well", async () => {
  const { url } = await startServer(plain([Uint8Array.of(0x61, 0xff), Uint8Array.of(0x62, 0xf0, 0x9f)]));
  const { items } = await collect(hurriedClient(url).logs("b1"));
  expect(items.join("")).toBe("a\uFFFDb\uFFFD");
});

test("as bytes, they are what they were", async () => {
  const bytes = Uint8Array.of(0, 255, 13, 10, 240);
  const { url } = await startServer(plain([bytes]));
  const { items } = await collect(hurriedClient(url).logBytes("b1"));
  expect(Buffer.concat(items)).toEqual(Buffer.from(bytes));
});

test.each([
  [{}, "/api/backend/b1/logs"],
  [{ tail: 0 }, "/api/backend/b1/logs?tail=0"],
  [{ tail: 5, follow: true }, "/api/backend/b1/logs?tail=5&follow=true"],
  [{ follow: false }, "/api/backend/b1/logs"],
])("%j asks for %s", async (options, path) => {
  const { url, requests } = await startServer(plain([]));
  expect(await collect(hurriedClient(url).logs("b1", options))).toEqual({ items: [], error: undefined });
  expect(requests.map((request) => request.url)).toEqual([path]);
});

test("a connection that is cut rejects, behind what has come", async () => {
  const { url, requests } = await startServer(plain([new TextEncoder().encode("half")], { isCut: true }));
  const { items, error } = await collect(hurriedClient(url).logs("b1", { follow: true }));
  expect(items.join("")).toBe("half");
  expect(error).toMatchObject({ code: "unreachable" });
  expect(requests).toHaveLength(1);
});

test.each([
  ["an unknown id", json(errorBody("not_found"), 404), { code: "not_found" }],
  ["a proxy's page", badGatewayPage, { code: "bad_answer", status: 502 }],
  ["another server", json({}), { code: "bad_answer", status: 200 }],
])("%s rejects", async (_, answer, expected) => {
  const { url } = await startServer(answer);
  expect((await collect(hurriedClient(url).logs("b1"))).error).toMatchObject(expected);
});

test("a server that pauses for too long rejects; a program that does, does not", async () => {
  const pausing: Answerer = (response) => {
    response.writeHead(200, { "content-type": "text/plain" }).write("a");
    setTimeout(() => response.end("b"), 500);
  };
  const { url } = await startServer(pausing);
  expect((await collect(hurriedClient(url).logs("b1"))).error).toMatchObject({ code: "timeout" });
  expect((await collect(hurriedClient(url).logs("b1", { follow: true }))).items).toEqual(["a", "b"]);
});

test("an abort ends a log that is followed, and its connection", async () => {
  const closed = Promise.withResolvers<void>();
  const { url } = await startServer((response) => {
    response.writeHead(200, { "content-type": "text/plain" }).write("a");
    response.on("close", closed.resolve);
  });
  const controller = new AbortController();
  const { items, error } = await collect(
    (async function* () {
      for await (const part of hurriedClient(url).logs("b1", { follow: true, signal: controller.signal })) {
        yield part;
        controller.abort();
      }
    })(),
  );
  expect(items).toEqual(["a"]);
  expect(error).toMatchObject({ code: "aborted" });
  await closed.promise;
});

test.each(["logs", "logBytes"] as const)("return() ends %s that wait for more, and their connection", async (call) => {
  const closed = Promise.withResolvers<void>();
  const { url } = await startServer((response) => {
    response.writeHead(200, { "content-type": "text/plain" }).write("a");
    response.on("close", closed.resolve);
  });
  const parts = hurriedClient(url)[call]("b1", { follow: true });
  expect((await parts.next()).done).toBe(false);
  const waiting = parts.next();
  await parts.return();
  expect(await waiting).toEqual({ done: true, value: undefined });
  await closed.promise;
});

test("a reader that is slow is not told more than it reads", async () => {
  const chunk = Buffer.alloc(64 * 1024, "x");
  let sentBytes = 0;
  const { url } = await startServer((response) => {
    response.writeHead(200, { "content-type": "text/plain" });
    const send = () => {
      while (!response.destroyed && response.write(chunk)) sentBytes += chunk.length;
    };
    response.on("drain", send);
    send();
  });
  for await (const _ of hurriedClient(url).logs("b1", { follow: true })) {
    let before = -1;
    while (before !== sentBytes) {
      before = sentBytes;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    break;
  }
  expect(sentBytes).toBeLessThan(32 * 1024 * 1024); // what the sockets hold, and no more
});

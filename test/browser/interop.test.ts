// Chromium as a client, first directly and then through a gateway and a relay host: it has to be the same.
import { expect, test } from "vitest";
import { openBothRelays } from "../support/both-relays.ts";
import { openBrowser } from "../support/browser.ts";
import { servers } from "../support/interop/programs.ts";

/** Of the page. */
declare const location: { readonly href: string };

/** In the page, so that it uses nothing from here. Its links are relative, as those of a session have to be. */
async function askAll() {
  const ask = async (path: string, init?: RequestInit) => {
    const response = await fetch(path, init);
    const body = await response.text();
    return [path, response.status, response.headers.get("content-range"), body.length, body.slice(0, 200)];
  };
  const events = () =>
    new Promise<string[]>((resolve) => {
      const got: string[] = [];
      const source = new EventSource("events");
      source.onmessage = ({ data }) => got.push(data);
      source.onerror = () => {
        source.close();
        resolve(got);
      };
    });
  const socket = () =>
    new Promise<unknown[]>((resolve) => {
      const got: unknown[] = [];
      const webSocket = new WebSocket(new URL("socket", location.href.replace("http", "ws")), ["first", "second"]);
      webSocket.binaryType = "arraybuffer";
      webSocket.onopen = () => {
        got.push(webSocket.protocol, webSocket.extensions);
        webSocket.send("ä€𝄞");
        webSocket.send(new Uint8Array(1_000_000).fill(7));
        webSocket.send("close 4321 enough");
      };
      webSocket.onmessage = ({ data }) => got.push(typeof data === "string" ? data : data.byteLength);
      webSocket.onclose = ({ code, reason, wasClean }) => resolve([...got, code, reason, wasClean]);
    });
  return [
    await ask("hello?a=%20b&&c"),
    await ask("file"),
    await ask("file", { headers: { range: "bytes=10-99" } }),
    await ask("nothing"),
    await ask("hints"),
    await ask("trailers"),
    await ask("to-the-end"),
    await ask("sum", { method: "POST", body: new Blob(["x".repeat(1_000_000)]) }),
    await ask("none"),
    await events(),
    await socket(),
  ];
}

test("a page gets the same answers, events and WebSocket messages", async () => {
  const server = await servers["node:http and ws"]();
  const { url } = await openBothRelays(server);
  const page = await (await openBrowser()).newPage();
  const results: unknown[] = [];
  for (const base of [`http://127.0.0.1:${server.port}`, url]) {
    await page.goto(`${base}/page`);
    results.push(await page.evaluate(askAll));
  }
  const [direct, relayed] = results;
  expect(relayed).toEqual(direct);
  expect(direct).toContainEqual([
    "second",
    expect.stringContaining("permessage-deflate"),
    "ä€𝄞",
    1_000_000,
    4321,
    "enough",
    true,
  ]);
});

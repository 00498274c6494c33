import { createServer, type RequestListener } from "node:http";
import { buffer } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { InProcessSocket } from "../lib/in-process-socket.ts";
import { Fixture, get, post, until } from "./fixture.ts";
import type { Plan } from "./plan.ts";

/** The way to an HTTP server of this process, and how many connections it was given. */
function inProcess(listener: RequestListener) {
  const http = createServer(listener);
  const given: InProcessSocket[] = [];
  const plan: Plan = {
    kind: "forward",
    upstream: {
      host: "in this process",
      port: 0,
      connect() {
        const { client, server } = InProcessSocket.pair();
        given.push(client);
        http.emit("connection", server);
        return client;
      },
    },
  };
  return { plan, given };
}

describe("an upstream in this process", () => {
  it("gets every request of a client's connection over one of its own", async () => {
    await using fixture = new Fixture();
    const { plan, given } = inProcess(async ({ url }, response) => void response.end(`answer to ${url}`));
    await fixture.open(() => plan);
    const client = await fixture.client();
    for (const path of ["/a", "/b"]) {
      client.send(get(path));
      await client.takeUntil(`answer to ${path}`);
    }
    const other = await fixture.client();
    other.send(post("body", "/c"));
    await other.takeUntil("answer to /c");
    expect(given).toHaveLength(2);
  });

  it("gets and gives bodies as they are, however long", async () => {
    await using fixture = new Fixture();
    const { plan } = inProcess(async (request, response) => void response.end(await buffer(request)));
    await fixture.open(() => plan);
    const client = await fixture.client();
    const body = "0123456789abcdef".repeat(200_000);
    client.send(post(body));
    await client.takeUntil(`\r\n\r\n${body}`);
  });

  it("gets a request that came at once in one write", async () => {
    await using fixture = new Fixture();
    const pieces: string[] = [];
    const connect = () => {
      const { client, server } = InProcessSocket.pair();
      server.on("data", (bytes) => pieces.push(String(bytes)));
      return client;
    };
    await fixture.open({ host: "in this process", port: 0, connect });
    const client = await fixture.client();
    client.send(post("body"));
    await until(() => pieces.join("") === post("body"), "the request");
    expect(pieces).toHaveLength(1);
  });

  it("hears that a client has gone, and holds nothing for it", async () => {
    await using fixture = new Fixture();
    let closed = false;
    const { plan, given } = inProcess((_, response) => {
      response.write("begun");
      response.on("close", () => {
        closed = true;
      });
    });
    await fixture.open(() => plan);
    const client = await fixture.client();
    client.send(get());
    await client.takeUntil("begun");
    client.socket.resetAndDestroy();
    await until(() => closed, "the answer to be closed");
    await until(() => given[0]?.closed === true && fixture.live === 0, "the connection to be gone");
  });

  it("that breaks off in the middle of an answer has the client's connection break off too", async () => {
    await using fixture = new Fixture();
    const { plan } = inProcess((_, response) => {
      response.writeHead(200, { "content-length": "100" }).write("begun");
      setImmediate(() => response.destroy());
    });
    await fixture.open(() => plan);
    const client = await fixture.client();
    client.send(get());
    expect(await client.takeAll()).toMatch(/begun$/);
  });

  it("that closes without an answer is a failed one", async () => {
    await using fixture = new Fixture();
    const { plan } = inProcess((request) => void request.socket.destroy());
    await fixture.open(() => plan);
    const client = await fixture.client();
    client.send(post("body"));
    expect(await client.takeAll()).toMatch(/^HTTP\/1.1 502 /);
  });
});

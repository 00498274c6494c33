import { describe, expect, it } from "vitest";
import { Fixture, type Peer, settle, until } from "./fixture.ts";

/** The beginning of an upload: more than Node reads for a program that does not, less than what the sockets hold. */
const upload = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n${"x".repeat(200_000)}`;
const answer = "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 7\r\n\r\ntoo big";

/** A client whose upload has begun, at an upstream that does not read all that came. */
async function beginUpload(fixture: Fixture): Promise<{ client: Peer; upstream: Peer }> {
  const { peers, ...to } = await fixture.raw((peer) => void peer.socket.pause());
  await fixture.open(to);
  const client = await fixture.client();
  client.send(upload);
  await until(() => peers.length > 0 && fixture.relay.traffic().bytesReceived === upload.length, "the upload");
  await settle();
  return { client, upstream: peers[0] as Peer };
}

/**
 * The next bytes of the client are with the relay before the upstream's last ones are: closing with unread bytes is a reset
 * (RFC 9112 9.6), so that the relay comes to write to a connection that is broken, with an answer in it.
 */
function sendIntoReset(client: Peer, upstream: Peer, last: string): void {
  client.send("x");
  upstream.send(last);
  upstream.socket.destroy();
}

describe("an upstream that answers and goes, and has not read the request", () => {
  it("is heard, whenever its reset comes", async () => {
    await using fixture = new Fixture();
    const { client, upstream } = await beginUpload(fixture);
    sendIntoReset(client, upstream, answer);
    expect(await client.takeAll()).toBe(answer);
    expect(fixture.live).toBe(0);
  });

  it("without an answer is 502, and nothing is sent twice", async () => {
    await using fixture = new Fixture();
    const { client, upstream } = await beginUpload(fixture);
    sendIntoReset(client, upstream, "HTTP/1.1 413 Content");
    expect(await client.takeAll()).toMatch(
      /^HTTP\/1\.1 502 [\s\S]*the upstream failed \(write \w+\) before it answered/,
    );
    expect(fixture.exchanges).toHaveLength(1);
    expect(fixture.live).toBe(0);
  });

  it("in the middle of its answer: the client gets what there is, and its connection is broken off", async () => {
    await using fixture = new Fixture();
    const { client, upstream } = await beginUpload(fixture);
    const part = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\n\r\ntoo";
    sendIntoReset(client, upstream, part);
    expect(await client.takeAll()).toBe(part);
    expect([fixture.live, fixture.relay.openConnections]).toEqual([0, 0]);
  });

  it("with an answer of no length: the client gets what there is, and a reset, since an end would complete it", async () => {
    await using fixture = new Fixture();
    const { client, upstream } = await beginUpload(fixture);
    const part = "HTTP/1.1 413 Content Too Large\r\n\r\ntoo";
    sendIntoReset(client, upstream, part);
    await client.untilClosed();
    expect(client).toMatchObject({ text: part, ended: false, errorCode: "ECONNRESET" });
    expect(fixture.live).toBe(0);
  });
});

describe("a client that goes on uploading behind its last answer", () => {
  const length = 20_000_000;

  /** Its answer is on its way, and the first byte of the upload all that it has sent. */
  async function refuse(fixture: Fixture): Promise<Peer> {
    await fixture.open(await fixture.answering(answer));
    const client = await fixture.client();
    client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\nx`);
    return client;
  }

  it("may send all of it before it reads", async () => {
    await using fixture = new Fixture();
    const client = await refuse(fixture);
    client.socket.pause();
    client.send(Buffer.alloc(length - 1));
    await until(() => client.socket.writableLength === 0, "it to be taken");
    client.socket.resume();
    expect(await client.takeAll()).toBe(answer);
    client.end();
    await until(() => fixture.relay.openConnections === 0, "the connection to be gone");
  });

  it("is left once it is silent for lingerSilenceMs", async () => {
    await using fixture = new Fixture();
    const client = await refuse(fixture);
    expect(await client.takeAll()).toBe(answer);
    for (let round = 0; round < 5; round += 1) {
      await fixture.pass(1_500);
      client.send("x");
    }
    await fixture.pass(1_500);
    expect(fixture.relay.openConnections).toBe(1);
    await fixture.pass(1_000);
    expect(fixture.relay.openConnections).toBe(0);
  });

  it("is left after lingerMs, however it drips", async () => {
    await using fixture = new Fixture();
    const client = await refuse(fixture);
    expect(await client.takeAll()).toBe(answer);
    for (let round = 0; round < 29; round += 1) {
      await fixture.pass(1_000);
      client.send("x");
    }
    expect(fixture.relay.openConnections).toBe(1);
    await fixture.pass(1_500);
    expect(fixture.relay.openConnections).toBe(0);
  });
});

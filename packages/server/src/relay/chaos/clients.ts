import { type Peer, until } from "../fixture.ts";
import {
  answerTo,
  bytesOf,
  type Choices,
  farewell,
  greeting,
  lastChunk,
  parseTarget,
  saidByHandler,
  switching,
  wholeOfCut,
} from "./answers.ts";

/** What a client does, on connections that it opens. */
export interface ChaosClient {
  readonly choose: Choices;
  open(): Promise<Peer>;
  /** Tells what it leaves open on purpose, and whether its request waits at the handler or was forwarded. */
  hold(peer: Peer, where: "handler" | "upstream"): void;
}

const get = (target: string, fields = "") => `GET ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
const upgrade = (target: string) => get(target, "Connection: Upgrade\r\nUpgrade: x\r\n");
const upload = (target: string, length: number) =>
  Buffer.concat([
    Buffer.from(`PUT ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`),
    bytesOf(length),
  ]);
const chunks = (target: string) =>
  Buffer.from(`POST ${target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n${lastChunk}`);

/** By their names, as they are counted. Each is one exchange or several; it gives how many. */
export const acts: Readonly<Record<string, (client: ChaosClient) => Promise<number>>> = {
  async "answered, over one connection"({ choose, open }) {
    const peer = await open();
    const count = 1 + choose.below(4);
    for (let index = 0; index < count; index += 1) {
      const target = `/${choose.from(["ok", "chunked", "hints", "more"])}/${choose.from([0, 1, 900, 60_000])}`;
      peer.send(choose.from([Buffer.from(get(target)), upload(target, choose.below(30_000)), chunks(target)]));
      await expectAnswer(peer, target);
    }
    leave(peer, choose);
    return count;
  },
  async "answered, though sent at once"({ choose, open }) {
    const peer = await open();
    const targets = Array.from(
      { length: 2 + choose.below(3) },
      () => `/${choose.from(["ok", "chunked"])}/${choose.below(3_000)}`,
    );
    peer.send(Buffer.concat(targets.map((target) => choose.from([Buffer.from(get(target)), chunks(target)]))));
    await expectBytes(peer, Buffer.concat(targets.map((target) => answerTo(parseTarget(target)))));
    leave(peer, choose);
    return targets.length;
  },
  async "answered to the end of the connection, or a half-closed client"({ choose, open }) {
    const peer = await open();
    const isHalfClosed = choose.below(2) === 0;
    const target = isHalfClosed
      ? "/ok/70000"
      : `/${choose.from(["until-close", "last"])}/${choose.from([0, 900, 60_000])}`;
    peer.send(get(target));
    if (isHalfClosed) peer.end();
    await until(() => peer.ended || peer.closed, "the end of an answer");
    expectSame(peer, answerTo(parseTarget(target)));
    peer.end();
    return 1;
  },
  async "broken off by the client within its request"({ choose, open }) {
    const peer = await open();
    const request = choose.from([
      upload("/ok/9", 70_000),
      chunks("/ok/9"),
      Buffer.from(get(choose.from(["/ok/9", "/continue", "/parked"]))),
      upload("/parked", 60_000),
      Buffer.from(upgrade("/tunnel")),
    ]);
    peer.send(request.subarray(0, choose.below(request.length + 1)));
    await someRounds(choose);
    leave(peer, choose);
    return 1;
  },
  // Nothing is read from it: had it only ended its side, that would come out when keep-alive asks its system.
  async "reset by a client that is held back"({ choose, open }) {
    const peer = await open();
    peer.send(upload("/parked", 200_000));
    await someRounds(choose);
    peer.reset();
    return 1;
  },
  async "broken off by the client within its answer"({ choose, open }) {
    const peer = await open();
    peer.send(get(choose.from(["/ok/60000", "/chunked/60000", "/until-close/60000"])));
    const position = choose.below(60_000);
    await until(() => peer.receivedBytes >= position, "part of an answer");
    leave(peer, choose);
    return 1;
  },
  async "broken off by the upstream"({ choose, open }) {
    const peer = await open();
    const how = choose.from(["end", "reset", "destroy"]);
    const kind = choose.from(["cut", "cut-chunked"]);
    const whole = wholeOfCut(kind);
    const target = choose.from([`/${kind}/${choose.below(whole.length)}/${how}`, `/drop/0/${how}`, "/garbage"]);
    peer.send(choose.from([Buffer.from(get(target)), upload(target, 20_000)]));
    await until(() => peer.ended || peer.closed, `the end of ${target}`);
    expectPart(peer, whole, { unless: 502 });
    leave(peer, choose);
    return 1;
  },
  async "a refused upgrade, and another request"({ choose, open }) {
    const peer = await open();
    const target = `/refuse/${choose.from([200, 400, 403, 421, 426, 500, 503])}`;
    peer.send(upgrade(target));
    await expectAnswer(peer, target);
    peer.send(get("/ok/5"));
    await expectAnswer(peer, "/ok/5");
    leave(peer, choose);
    return 2;
  },
  async "an upgrade"({ choose, open }) {
    const peer = await openTunnel(await open(), choose.from(["/tunnel", "/tunnel", "/deaf"]), choose);
    const how = choose.below(3);
    if (how === 0) peer.end();
    else if (how === 1) peer.send(farewell);
    if (how === 1) await until(() => peer.ended || peer.closed, "the upstream's end of a tunnel");
    leave(peer, choose);
    return 1;
  },
  async "answered by the handler, or not"({ choose, open }) {
    const peer = await open();
    const target = choose.from(["/answered", "/failing", "/turned-away"]);
    peer.send(choose.from([Buffer.from(get(target)), upload(target, choose.below(30_000)), chunks(target)]));
    await until(() => peer.ended || peer.closed, `the end of ${target}`);
    if (target === "/failing") expectPart(peer, Buffer.alloc(0), { unless: 502 });
    else if (!peer.text.endsWith(`\r\n\r\n${saidByHandler.body}`)) throw new Error(`${target}: ${peer.text}`);
    leave(peer, choose);
    return 1;
  },
  async "cut by the handler"({ choose, open }) {
    const peer = await open();
    const isUpgrade = choose.below(2) === 0;
    const target = isUpgrade ? "/tunnel/0/revoked" : `/${choose.from(["ok", "chunked"])}/60000/revoked`;
    const whole = isUpgrade ? Buffer.from(switching + greeting) : answerTo(parseTarget(target));
    peer.send(isUpgrade ? upgrade(target) : get(target));
    await until(() => peer.ended || peer.closed || (!isUpgrade && peer.receivedBytes === whole.length), "the cut");
    expectPart(peer, whole, { unless: 401 });
    leave(peer, choose);
    return 1;
  },
  async "a slow reader"({ choose, open }) {
    const peer = await open();
    peer.socket.pause();
    peer.send(get("/ok/600000"));
    await someRounds(choose);
    if (choose.below(2) === 0) {
      peer.socket.resume();
      await expectAnswer(peer, "/ok/600000");
    }
    leave(peer, choose);
    return 1;
  },
  async "no HTTP"({ choose, open }) {
    const peer = await open();
    peer.send(choose.from(["GET\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "\0", "GET / HTTP/1.1\nHost: a\n\n"]));
    await someRounds(choose);
    leave(peer, choose);
    return 1;
  },
  async "held open"({ choose, open, hold }) {
    const peer = await open();
    const kind = choose.from(["tunnel", "tunnel", "silent", "silent", "slow", "parked"]);
    if (kind === "tunnel") await openTunnel(peer, "/tunnel", choose);
    else if (kind !== "slow") peer.send(choose.from([Buffer.from(get(`/${kind}`)), upload(`/${kind}`, 10_000)]));
    else {
      peer.send(get("/endless"));
      await until(() => peer.receivedBytes > 0, "the first bytes for a slow reader");
      peer.socket.pause();
    }
    hold(peer, kind === "parked" ? "handler" : "upstream");
    return 1;
  },
};

async function openTunnel(peer: Peer, target: string, choose: Choices): Promise<Peer> {
  peer.send(upgrade(target));
  await expectBytes(peer, Buffer.from(switching + greeting));
  if (target !== "/deaf") {
    const message = bytesOf(1 + choose.below(50_000));
    peer.send(message);
    await expectBytes(peer, message);
  }
  return peer;
}

function expectAnswer(peer: Peer, target: string): Promise<void> {
  return expectBytes(peer, answerTo(parseTarget(target)), `of ${target}`);
}

async function expectBytes(peer: Peer, bytes: Buffer, what = ""): Promise<void> {
  await until(() => peer.receivedBytes >= bytes.length || peer.closed, `${bytes.length} bytes ${what}`);
  expectSame(peer, bytes);
  peer.forget();
}

function expectSame(peer: Peer, bytes: Buffer): void {
  if (peer.bytes.equals(bytes)) return;
  throw new Error(`${bytes.length} bytes were sent, ${peer.receivedBytes} others came: ${peer.text.slice(0, 200)}`);
}

/** Some of the whole, from its beginning, or an answer of this status in its place. */
function expectPart(peer: Peer, whole: Buffer, { unless }: { unless: number }): void {
  const { bytes, text } = peer;
  if (text.startsWith(`HTTP/1.1 ${unless} `) || bytes.equals(whole.subarray(0, bytes.length))) return;
  throw new Error(`what came is no part of what was sent, and no ${unless}: ${text.slice(0, 200)}`);
}

async function someRounds(choose: Choices): Promise<void> {
  for (let round = choose.below(6); round > 0; round -= 1) await new Promise((resolve) => setImmediate(resolve));
}

/** In one of the ways in which clients go; none of them waits for anything. */
export function leave(peer: Peer, choose: Choices): void {
  const { socket } = peer;
  switch (choose.below(4)) {
    case 0:
      return void peer.reset();
    case 1:
      return void socket.destroy();
    case 2:
      return void peer.end();
    default:
      socket.end(() => socket.destroy());
  }
}

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer as createHttpServer, type Server as HttpServer, type RequestListener } from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { FakeClock } from "../lib/fake-clock.ts";
import { Activity } from "./activity.ts";
import type { Exchange, Plan, Upstream } from "./plan.ts";
import { Relay, type RelayOptions } from "./relay.ts";
import { reset } from "./reset.ts";

const patienceMs = 20_000;

/** Waits for a condition of the real world, for 20 s at most: what takes a millisecond has taken 5 s on a machine with other work. */
export async function until(isSo: () => boolean, what: string): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  while (!isSo()) {
    if (performance.now() > deadlineMs) throw new Error(`waited ${patienceMs / 1000} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Lets everything happen that is on its way: several rounds through the event loop with real sockets in it. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 20; round += 1) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** One end of a raw connection. */
export class Peer {
  readonly socket: Socket;
  #received: Buffer[] = [];
  receivedBytes = 0;
  /** The other side sent its end. */
  ended = false;
  closed = false;
  errorCode: string | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket
      .on("data", (bytes) => {
        this.#received.push(bytes);
        this.receivedBytes += bytes.length;
      })
      .on("end", () => {
        this.ended = true;
      })
      .on("error", (error: NodeJS.ErrnoException) => {
        this.errorCode = error.code;
      })
      .on("close", () => {
        this.closed = true;
      });
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#received);
  }

  get text(): string {
    return this.bytes.toString("latin1");
  }

  send(data: string | Buffer): this {
    this.socket.write(typeof data === "string" ? Buffer.from(data, "latin1") : data);
    return this;
  }

  end(): this {
    this.socket.end();
    return this;
  }

  reset(): this {
    reset(this.socket);
    return this;
  }

  /** Waits until all that came so far contains this. Returns it, and forgets it. */
  async takeUntil(text: string): Promise<string> {
    await until(
      () => this.text.includes(text) || this.closed,
      `${JSON.stringify(text)}; so far ${JSON.stringify(this.text)}`,
    );
    const taken = this.text;
    if (!taken.includes(text)) throw new Error(`the connection closed with ${JSON.stringify(taken)}`);
    this.forget();
    return taken;
  }

  forget(): void {
    this.#received = [];
    this.receivedBytes = 0;
  }

  /** Waits until the other side has sent its end; returns what came. */
  async takeAll(): Promise<string> {
    await until(() => this.ended || this.closed, `the end; so far ${JSON.stringify(this.text)}`);
    return this.text;
  }

  untilClosed(): Promise<void> {
    return until(() => this.closed, "the connection to be closed");
  }
}

const stoppedServer = `
  const server = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
    require("node:fs").writeSync(1, String(server.address().port));
    process.kill(process.pid, "SIGSTOP");
  });`;

/** A relay with a clock that only tests move, and what it talks to. */
export class Fixture implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly activity = new Activity(this.clock);
  readonly exchanges: Exchange[] = [];
  readonly #servers: Server[] = [];
  readonly #children: ChildProcess[] = [];
  readonly #sockets = new Set<Socket>();
  #relay: Relay | undefined;

  get relay(): Relay {
    if (this.#relay === undefined) throw new Error("no relay was opened");
    return this.#relay;
  }

  get live(): number {
    return this.activity.live;
  }

  /** Everything goes to one upstream, unless `onRequest` says otherwise. */
  async open(
    to: Upstream | ((exchange: Exchange) => Plan | Promise<Plan>),
    options: Partial<RelayOptions> = {},
  ): Promise<Relay> {
    this.#relay = new Relay({
      clock: this.clock,
      activity: this.activity,
      ...options,
      onRequest: (exchange) => {
        this.exchanges.push(exchange);
        return typeof to === "function" ? to(exchange) : { kind: "forward", upstream: to };
      },
    });
    await this.#relay.listen({ host: "127.0.0.1", port: 0 });
    return this.#relay;
  }

  /** A raw connection to the relay. */
  async client(): Promise<Peer> {
    const { port } = this.relay.address;
    const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    const peer = new Peer(this.#keep(socket));
    await once(socket, "connect");
    return peer;
  }

  /** A server of raw connections; `serve` is called for each. */
  async raw(
    serve: (peer: Peer, index: number) => void = () => {},
  ): Promise<Upstream & { peers: Peer[]; server: Server }> {
    const peers: Peer[] = [];
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const peer = new Peer(this.#keep(socket));
      peers.push(peer);
      serve(peer, peers.length - 1);
    });
    return { ...(await this.#listen(server)), peers, server };
  }

  /** A server of raw connections that answers each request head that comes with the next of these. */
  answering(...answers: string[]) {
    let next = 0;
    return this.raw((peer) => {
      let text = "";
      peer.socket.on("data", (bytes) => {
        text += bytes.toString("latin1");
        for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
          text = text.slice(end + 4);
          const answer = answers[Math.min(next++, answers.length - 1)];
          if (answer !== undefined) peer.send(answer);
        }
      });
    });
  }

  async http(handle: RequestListener): Promise<Upstream & { server: HttpServer; connections: () => number }> {
    let connections = 0;
    const server = createHttpServer(handle);
    server.on("connection", (socket) => {
      connections += 1;
      this.#keep(socket);
    });
    return { ...(await this.#listen(server)), server, connections: () => connections };
  }

  /** A port where nobody listens. */
  async deadPort(): Promise<Upstream> {
    const server = createServer();
    const upstream = await this.#listen(server);
    await new Promise((resolve) => server.close(resolve));
    return upstream;
  }

  /** A port that is listened at, and where connecting takes for ever: its process is stopped, and its queue is full. */
  async deafPort(): Promise<Upstream> {
    const child = spawn(process.execPath, ["-e", stoppedServer], { stdio: ["ignore", "pipe", "inherit"] });
    this.#children.push(child);
    const [line] = await once(child.stdout, "data");
    const upstream = { host: "127.0.0.1", port: Number(line) };
    for (let place = 0; place < 2; place += 1) await once(this.#keep(connect(upstream)), "connect");
    return upstream;
  }

  /** Moves time on, in the steps in which the relay looks at its deadlines. */
  async pass(ms: number): Promise<void> {
    await settle();
    this.clock.advance(ms);
    await settle();
  }

  /** Ends it all; what the relay counts must come to nothing by itself once clients and upstreams are gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#servers) server.close();
    for (const child of this.#children) child.kill("SIGKILL");
    if (this.#relay === undefined) return;
    await this.#relay.close();
    await until(() => this.live === 0 && this.relay.openConnections === 0, "nothing to be left");
  }

  #keep(socket: Socket): Socket {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    return socket;
  }

  async #listen(server: Server): Promise<Upstream> {
    this.#servers.push(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
  }
}

export const get = (path = "/", fields = "") => `GET ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;

export const post = (body: string, path = "/") =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

export const ok = (body: string, fields = "") =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n${fields}\r\n${body}`;

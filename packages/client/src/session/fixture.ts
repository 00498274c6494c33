import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished, vi } from "vitest";
import { WebSocketServer } from "ws";
import { errorBody } from "../fixture.ts";
import type { BackendState } from "../protocol.ts";
import type { Connection } from "./connection.ts";
import { openSession } from "./session.ts";
import type { SessionOptions } from "./session-options.ts";

/** A gateway with one backend behind it, which does as the test says. */
export async function startGateway({ listenPort = 0, generation = "g1" } = {}) {
  const requests: IncomingMessage[] = [];
  const followers = new Set<ServerResponse>();
  const goodTokens = new Set<string>();
  const told: { state: BackendState; rest: object }[] = [];
  let isOver = false;
  let tokenCount = 0;

  const server = createServer((request, response) => {
    requests.push(request);
    const { url = "" } = request;
    if (url.startsWith("/api/backend/b1/status")) return url.endsWith("/stream") ? follow(response) : status(response);
    const refusal = refusalOf(request);
    if (refusal !== undefined) return refuse(response, ...refusal);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ url, authorization: request.headers.authorization }));
  });
  const sockets = new WebSocketServer({ noServer: true });
  sockets.on("connection", (socket) => {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  server.on("upgrade", (request, socket, head) => {
    requests.push(request);
    socket.on("error", () => {});
    if (refusalOf(request) !== undefined) socket.destroy();
    else sockets.handleUpgrade(request, socket, head, (opened) => sockets.emit("connection", opened, request));
  });

  function tokenOf({ url = "", headers }: IncomingMessage): string {
    return new URL(url, "http://x").searchParams.get("_spawner_token") ?? (headers.authorization ?? "").slice(7);
  }
  function refusalOf(request: IncomingMessage): [number, string] | undefined {
    if (isOver) return [410, "backend_ended"];
    return goodTokens.has(tokenOf(request)) ? undefined : [401, "unauthorized"];
  }
  function refuse(response: ServerResponse, status: number, code: string) {
    const body = JSON.stringify(errorBody(code));
    response.writeHead(status, { "content-type": "application/json", "content-length": body.length }).end(body);
  }
  const textOf = ({ state, rest }: (typeof told)[number]) =>
    JSON.stringify({ state, time: "2026-01-01T00:00:00.000Z", ...rest });
  function follow(response: ServerResponse) {
    response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
    followers.add(response);
    for (const each of told) response.write(`id: ${generation}/${each.state}\ndata: ${textOf(each)}\n\n`);
  }
  function status(response: ServerResponse) {
    const last = told.at(-1);
    if (last === undefined) return refuse(response, 404, "not_found");
    response.setHeader("content-type", "application/json");
    response.end(textOf(last));
  }

  await new Promise<void>((resolve) => server.listen(listenPort, "127.0.0.1", resolve));
  const stop = () => {
    for (const socket of sockets.clients) socket.terminate();
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  };
  onTestFinished(stop);
  const { port } = server.address() as AddressInfo;

  return {
    port,
    sockets,
    goodTokens,
    stop,
    /** Of the program, without those of its states. */
    requestsOfProgram: () => requests.filter(({ url }) => url?.startsWith("/b1/")).map(({ url }) => url),
    tell(state: BackendState, rest: object = {}) {
      told.push({ state, rest });
      for (const each of followers) each.write(`id: ${generation}/${state}\ndata: ${textOf({ state, rest })}\n\n`);
    },
    /** The gateway knows of its end before anybody is told. */
    end(reason: string) {
      told.push({ state: "Swept", rest: { reason, message: "It is over." } });
      isOver = true;
    },
    /** What POST /connect answers. */
    connection(ttlMs = 3_600_000): Connection & { url: string } {
      const token = `${generation}-t${++tokenCount}`;
      goodTokens.add(token);
      return {
        url: `http://127.0.0.1:${port}/b1/?_spawner_token=${token}`,
        token,
        tokenExpiresAt: new Date(Date.now() + ttlMs).toISOString(),
        generation,
        statusUrl: `http://127.0.0.1:${port}/api/backend/b1/status`,
      };
    },
  };
}

/** A session that is in a hurry, closed with the test. */
export function hurriedSession(options: SessionOptions) {
  const session = openSession({
    timeoutMs: 20_000,
    retry: { firstMs: 5, mostMs: 20, giveUpMs: 20_000, silenceMs: 5_000 },
    ...options,
  });
  onTestFinished(() => session.close());
  return session;
}

/** The clocks of this process, which `pass` moves ahead; timers wait as long as they would. Until the end of the test. */
export function movableClocks() {
  let aheadMs = 0;
  for (const clock of [Date, performance]) {
    const now = clock.now.bind(clock);
    const spy = vi.spyOn(clock, "now").mockImplementation(() => now() + aheadMs);
    onTestFinished(() => spy.mockRestore());
  }
  return {
    pass(ms: number) {
      aheadMs += ms;
    },
  };
}

/** As `vi.waitFor`, on a machine that has much else to do. */
export function eventually<Value>(check: () => Value | Promise<Value>): Promise<Value> {
  return vi.waitFor(check, { timeout: 15_000 });
}

import { Agent, type ClientRequest, type IncomingMessage, request as sendRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { ActiveUntil } from "./book.ts";

/** A backend to be used, and how. */
export interface Target {
  /** Where its gateway listens, and its path there, `/<id>/`. */
  readonly port: number;
  readonly path: string;
  readonly random: () => number;
  readonly graceMs: number;
  /** Keeps its connections, which are not to count. */
  readonly agent: Agent;
}

type Outcome = Omit<ActiveUntil, "kind"> | "refused";

/** The longest activity, in grace periods. */
export const longestOfGrace = 1.5;
/** More than the sockets on the way keep for a client that does not read (its window stays small while it does not). */
const bigMegabytes = 48;

/** Every kind of traffic. Each resolves when it is over, and rejects where it was not served as it should be. */
export const kindsOfTraffic: Readonly<Record<string, (target: Target) => Promise<Outcome>>> = {
  "short GET": getShortly,
  "GET on a connection kept alive": (target) => answered(target, "time", { agent: target.agent }),
  "slow response": (target) => answered(target, `slow?ms=${someMs(target)}`, {}),
  "burst of 20 GETs": burst,
  "server-sent events": (target) => answered(target, someEvents(target), {}),
  "server-sent events, left": (target) => broken(target, "events?everyMs=1500"),
  "long poll, left": (target) => broken(target, "poll"),
  "upload that trickles": upload,
  "download read slowly": download,
  "WebSocket, silent": (target) => talk(target, { everyMs: undefined }),
  "WebSocket with messages": (target) => talk(target, { everyMs: 150 }),
  "upgraded connection that is reset": reset,
  "upgrade that is refused": refusedUpgrade,
  "half-closed client": halfClosed,
};

export function getShortly(target: Target): Promise<Outcome> {
  return answered(target, "time", {});
}

/** A connection that has sent half a request, and does not count. */
export function sendHalfAHead({ port, path }: Target): Socket {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => {}).resume(); // the end of its time
  socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.`);
  return socket;
}

/** Long enough, at times, to be swept in the middle of it. */
function someMs({ random, graceMs }: Target): number {
  return Math.floor(random() * graceMs * longestOfGrace);
}

/** Two at least, 200 ms apart. */
function someEvents(target: Target): string {
  return `events?count=${2 + Math.floor(someMs(target) / 200)}&everyMs=200`;
}

/** The time that the program wrote last: then the last byte had yet to pass. */
function until(body: string): Outcome {
  const surelyMs = Number(/(\d{13})\s*$/.exec(body)?.[1]);
  if (Number.isNaN(surelyMs)) throw new Error(`no time in ${JSON.stringify(body.slice(0, 200))}`);
  return { surelyMs, atMostMs: Date.now() };
}

/** A request whose answer is read at once. */
async function answered(target: Target, path: string, options: { agent?: Agent }): Promise<Outcome> {
  const response = await responseTo(ask(target, path, options));
  return response === undefined ? "refused" : until(await textOf(response));
}

async function burst(target: Target): Promise<Outcome> {
  const all = await Promise.all(Array.from({ length: 20 }, () => answered(target, "time", {})));
  const served = all.filter((outcome) => outcome !== "refused");
  if (served.length === 0) return "refused";
  return {
    surelyMs: Math.max(...served.map(({ surelyMs }) => surelyMs)),
    atMostMs: Math.max(...served.map(({ atMostMs }) => atMostMs)),
  };
}

/** A request that its client breaks off some time after it was seen to be served. Nobody else may end it. */
async function broken(target: Target, path: string): Promise<Outcome> {
  const sent = ask(target, path, {});
  const seen = new Promise<void>((resolve) => {
    sent.once("information", () => resolve());
    sent.once("response", ({ statusCode }) => statusCode === 200 && resolve());
  });
  const whole = responseTo(sent).then(async (response) => {
    if (response === undefined) return "refused" as const;
    throw new Error(`a response that has no end ended with ${await textOf(response)}`);
  });
  const early = await Promise.race([whole, seen.then(() => delay(someMs(target)))]);
  if (early === "refused") return early;
  const surelyMs = Date.now();
  whole.catch(() => {}); // from here on it is broken off
  sent.destroy();
  return { surelyMs, atMostMs: surelyMs };
}

async function upload(target: Target): Promise<Outcome> {
  const parts = 2 + Math.floor(someMs(target) / 100);
  const sent = ask(target, "upload", { method: "POST", bodyBytes: parts });
  const response = responseTo(sent);
  response.catch(() => {}); // awaited below, when all is sent
  for (let part = 0; part < parts && !sent.destroyed; part++) {
    sent.write("x");
    await delay(100);
  }
  const answer = await response;
  return answer === undefined ? "refused" : until(await textOf(answer));
}

/** Reads nothing for a while, in which most of the download is still to come, and then all of it. */
async function download(target: Target): Promise<Outcome> {
  const response = await responseTo(ask(target, `big?megabytes=${bigMegabytes}`, {}));
  if (response === undefined) return "refused";
  await delay(someMs(target));
  let bytes = 0;
  let end = "";
  for await (const chunk of response) {
    bytes += (chunk as Buffer).length;
    end = `${end}${chunk}`.slice(-20);
  }
  if (bytes !== bigMegabytes * 1024 * 1024) throw new Error(`${bytes} bytes came of a download`);
  return until(end);
}

/** Node's own WebSocket; what it was refused with it does not say. */
function talk({ port, path, ...target }: Target, { everyMs }: { everyMs: number | undefined }): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
  let closedAtMs: number | undefined;
  let isOpen = false;
  socket.onopen = async () => {
    isOpen = true;
    const leftMs = performance.now() + someMs({ port, path, ...target });
    while (everyMs !== undefined && performance.now() < leftMs) {
      socket.send("hello");
      await delay(everyMs);
    }
    await delay(Math.max(leftMs - performance.now(), 0));
    closedAtMs = Date.now();
    socket.close();
  };
  socket.onclose = ({ code }) => {
    if (closedAtMs !== undefined) resolve({ surelyMs: closedAtMs, atMostMs: Date.now() });
    else if (isOpen) reject(new Error(`a WebSocket in use was closed with ${code}`));
    else resolve("refused");
  };
  return promise;
}

const upgradeFields =
  "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAA\r\n";

async function reset(target: Target): Promise<Outcome> {
  const { socket, text } = await sendRaw(target, "", upgradeFields);
  if (isRefusal(text())) return "refused";
  if (!text().startsWith("HTTP/1.1 101")) throw new Error(`an upgrade was answered with ${text()}`);
  await delay(someMs(target));
  if (socket.destroyed) throw new Error("an upgraded connection in use was closed");
  const surelyMs = Date.now();
  socket.resetAndDestroy();
  return { surelyMs, atMostMs: surelyMs };
}

async function refusedUpgrade(target: Target): Promise<Outcome> {
  const { text, ended } = await sendRaw(target, "refused", upgradeFields);
  await ended;
  return isRefusal(text()) ? "refused" : until(text());
}

/** Sends its end behind the request: from then on only bytes count, and they come. */
async function halfClosed(target: Target): Promise<Outcome> {
  const { socket, text, ended } = await sendRaw(target, someEvents(target), "");
  if (isRefusal(text())) return "refused";
  socket.end();
  await ended;
  const times = [...text().matchAll(/data: (\d{13})/g)].map(([, time]) => Number(time));
  return until(String(text().endsWith("\r\n0\r\n\r\n") ? times.at(-1) : lastBeforeSilence(times, target)));
}

/**
 * Of a response that was cut: it may be where its program was silent for about the grace period, since the machine had no
 * time for it. What came behind the silence was too late.
 */
function lastBeforeSilence(times: readonly number[], { graceMs }: Target): number | undefined {
  const silences = times.map((time, index) => (times[index + 1] ?? time) - time);
  const longestMs = Math.max(...silences);
  if (longestMs < graceMs * 0.8) throw new Error(`a response was cut after ${silences.join(", ")} ms of silence`);
  return times[silences.indexOf(longestMs)];
}

/** A request by hand; resolves with the first bytes of its answer. */
async function sendRaw({ port, path }: Target, rest: string, fields: string) {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  let received = "";
  socket.setEncoding("latin1");
  socket.on("data", (part) => {
    received += part;
  });
  const ended = new Promise<void>((resolve, reject) => {
    socket.on("error", reject).on("end", () => {
      socket.end();
      resolve();
    });
  });
  ended.catch(() => {}); // for those who do not wait for the end
  socket.write(`GET ${path}${rest} HTTP/1.1\r\nhost: 127.0.0.1\r\n${fields}\r\n`);
  await Promise.race([new Promise((resolve) => socket.once("data", resolve)), ended]);
  return { socket, ended, text: () => received };
}

function isRefusal(text: string): boolean {
  return text.startsWith("HTTP/1.1 410 ");
}

function ask(
  { port, path }: Target,
  rest: string,
  { method = "GET", agent, bodyBytes }: { method?: string; agent?: Agent; bodyBytes?: number },
): ClientRequest {
  const sent = sendRequest({
    port,
    host: "127.0.0.1",
    path: `${path}${rest}`,
    method,
    agent: agent ?? new Agent({ keepAlive: false }),
    headers: bodyBytes === undefined ? {} : { "content-length": bodyBytes },
  });
  if (bodyBytes === undefined) sent.end();
  return sent;
}

/** Undefined where the backend has ended. */
async function responseTo(sent: ClientRequest): Promise<IncomingMessage | undefined> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.once("response", resolve).on("error", reject);
  });
  if (response.statusCode === 200) return response;
  const text = await textOf(response);
  if (response.statusCode === 410) return undefined;
  throw new Error(`${response.statusCode} ${text}`);
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const part of response) text += part;
  return text;
}

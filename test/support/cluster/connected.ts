import { type IncomingHttpHeaders, request } from "node:http";
import type { ConnectRequest, ConnectResponse } from "@spawner/client";
import { expect, onTestFinished } from "vitest";
import { eventually } from "./eventually.ts";
import { spawnRequestFor } from "./install.ts";
import { EchoClient } from "./traffic.ts";

/** What an API at this address answers to a `POST` of ours. */
export async function post(apiUrl: string, path: string, body: object): Promise<Response> {
  const headers = { "content-type": "application/json", connection: "close" };
  const signal = AbortSignal.timeout(60_000);
  return fetch(`${apiUrl}${path}`, { method: "POST", headers, body: JSON.stringify(body), signal });
}

/** Connects a user to the echo program, again where the controller has not made the keys yet. Resolves once it is ready. */
export async function connectUser(apiUrl: string, request: ConnectRequest): Promise<ConnectResponse> {
  const wanted = spawnRequestFor("echo-program.mjs", { waitReady: true, ...request });
  const response = await eventually(async () => {
    const answer = await post(apiUrl, "/connect", wanted);
    if (answer.status === 503) throw new Error(`POST /connect was answered with 503: ${await answer.text()}`);
    return answer;
  });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  const connected = JSON.parse(text) as ConnectResponse;
  expect(connected.state).toBe("Ready");
  return connected;
}

/** A WebSocket of a user, by the token in its URL. Closed with the test. */
export async function enter({ url }: { url: string }, { backend, token }: ConnectResponse): Promise<EchoClient> {
  const client = await EchoClient.open(`${url}/${backend}/?_spawner_token=${token}`);
  onTestFinished(() => client.close());
  return client;
}

/** Rejects unless a token lets in at this gateway in each of the ways that it can be brought, and at once: nobody is asked. */
export async function expectTokenWorks({ url }: { url: string }, { backend, token }: ConnectResponse): Promise<void> {
  const bare = `${url}/${backend}/`;
  const answers = await Promise.all([
    open(`${bare}?_spawner_token=${token}`),
    open(bare, { authorization: `Bearer ${token}` }),
    open(bare, { cookie: `spawner-token=${token}` }),
  ]);
  for (const { status, body, ms } of answers) expect([status, ms < 1_500], body).toEqual([200, true]);
}

/** The same again and again, until this moment (performance.now()). */
export async function keepUsingToken(
  gateway: { url: string },
  connected: ConnectResponse,
  { untilMs, everyMs = 5_000 }: { untilMs: number; everyMs?: number },
): Promise<void> {
  while (performance.now() < untilMs) {
    await expectTokenWorks(gateway, connected);
    await new Promise((resolve) => setTimeout(resolve, Math.min(everyMs, Math.max(0, untilMs - performance.now()))));
  }
}

export interface Opened {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly ms: number;
}

/** Asks with these fields and no others, on a connection of its own: fetch adds some that only browsers may set. */
export function open(url: string, headers: Record<string, string> = {}): Promise<Opened> {
  const beganMs = performance.now();
  return new Promise((resolve, reject) => {
    const sent = request(url, { headers, agent: false, timeout: 20_000 }, (response) => {
      let body = "";
      response
        .setEncoding("utf8")
        .on("data", (part) => {
          body += part;
        })
        .on("end", () => {
          const { statusCode: status = 0, headers } = response;
          resolve({ status, headers, body, ms: performance.now() - beganMs });
        })
        .on("error", reject);
    });
    sent.on("timeout", () => sent.destroy(new Error(`${url} was not answered in 20 s`)));
    sent.on("error", reject).end();
  });
}

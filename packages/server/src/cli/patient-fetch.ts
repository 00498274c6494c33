import { Readable } from "node:stream";

/** Statuses whose answers have no body (https://fetch.spec.whatwg.org/#null-body-status). */
const bodiless = [101, 103, 204, 205, 304];

/**
 * A `fetch` that lets an answer be silent for any time. Node's own ends one after five minutes without a byte, which a log
 * that is followed may well be. Follows no redirects: the API makes none.
 */
export const patientFetch: typeof globalThis.fetch = async (input, init) => {
  const request = new Request(input, init);
  const body = await request.text();
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  // Here, and not at the top: commands that ask no API start without them.
  const { request: send } = await (request.url.startsWith("https:") ? import("node:https") : import("node:http"));
  const { method, headers } = request;
  // Not the request's own signal: that is forgotten when the garbage collector takes the request.
  const signal = init?.signal ?? undefined;
  const sent = send(request.url, { method, headers: Object.fromEntries(headers), agent: false, signal });
  sent.on("response", (answer) => {
    const { statusCode: status = 0, statusMessage: statusText = "", headers } = answer;
    const entries = Object.entries(headers).map(([name, value]): [string, string] => [name, String(value)]);
    const content = bodiless.includes(status) ? null : (Readable.toWeb(answer) as ReadableStream<Uint8Array>);
    if (content === null) answer.resume();
    resolve(new Response(content, { status, statusText, headers: entries }));
  });
  sent.on("error", (cause) => reject(new TypeError("fetch failed", { cause })));
  sent.end(body === "" ? undefined : body);
  return promise;
};

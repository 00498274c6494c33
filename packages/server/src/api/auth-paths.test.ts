import type { SpawnResponse } from "@spawner/client";
import { expect, test } from "vitest";
import { token, withTokens } from "./conformance/documented-api.ts";
import { exchange } from "./conformance/raw-http.ts";
import { startApi } from "./fixture.ts";

/** Ways to write a path that some server or proxy takes for the path itself. */
const tricks: readonly ((path: string) => string)[] = [
  (path) => path,
  (path) => `${path}?`,
  (path) => `${path}#`,
  (path) => `${path}/`,
  (path) => `/${path}`,
  (path) => `/.${path}`,
  (path) => `/healthz/..${path}`,
  (path) => `/healthz/%2e%2e${path}`,
  (path) => `/healthz%2f..${path}`,
  (path) => `/healthz;${path}`,
  (path) => `/healthz?${path}`,
  (path) => `/healthz%3f/..${path}`,
  (path) => `/healthz%23/..${path}`,
  (path) => `/healthz\\..${path}`,
  (path) => `http://a${path}`,
  (path) => `HTTP://healthz${path}`,
  (path) => path.replace("b", "%62"),
  (path) => path.replace("b", "%2562"),
  (path) => path.replaceAll("/", "%2F"),
  (path) => path.replaceAll("/", "//"),
  (path) => path.replaceAll("/", "/./"),
  (path) => path.replace("/backend", "/BACKEND"),
  (path) => `${path}%00`,
  (path) => `${path}%20`,
  (path) => `${path};a=b`,
  (path) => `${path}/status/..`,
  (path) => `${path}.json`,
];
const headers = [
  "",
  "x-original-url: /healthz\r\n",
  "x-rewrite-url: /healthz\r\n",
  "x-http-method-override: GET\r\n",
  "authorization:\r\n",
];
const methods = ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "TRACE", "PUT", "PATCH", "QUERY", "PROPFIND"];

test("no way of writing a path, method or header leads to the control surface without a token", async () => {
  const api = await startApi(withTokens());
  const spawned = await api.post("{}", { "content-type": "application/json", authorization: `Bearer ${token}` });
  const { name: id } = (await spawned.json()) as SpawnResponse;
  const controlled = [`/backend/${id}`, `/backend/${id}/logs`, "/backends", "/spawn", "/metrics"];
  const targets = controlled.flatMap((path) => tricks.map((trick) => trick(path)));
  const harmless = /^\/healthz[?;#]|^\/healthz$/;
  const ask = async (method: string, target: string, header: string) => {
    const head = `${method} ${target} HTTP/1.1\r\nhost: a\r\n${header}content-type: application/json\r\ncontent-length: 2\r\n\r\n{}`;
    const { status } = await exchange(api.port, Buffer.from(head), { isHead: method === "HEAD" });
    return { target, status };
  };
  for (const method of methods) {
    for (const header of method === "GET" || method === "POST" ? headers : [""]) {
      const answers = await Promise.all(targets.map((target) => ask(method, target, header)));
      const letIn = answers.filter(
        ({ target, status }) => ![400, 401, 404, 405].includes(status) && !harmless.test(target),
      );
      expect([method, header, letIn]).toEqual([method, header, []]);
    }
  }
  const { items } = await api.engine.backends.list();
  expect(items.map(({ metadata, spec }) => [metadata.name, spec.stopRequested])).toEqual([
    [`spawner-${id}`, undefined],
  ]);
});

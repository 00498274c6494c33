import { expect, test } from "vitest";
import { errorBody, hurriedClient, json, startServer } from "./fixture.ts";

const connection = {
  backend: "b1",
  generation: "g1",
  url: "http://127.0.0.1/b1/?_spawner_token=t",
  token: "t",
  tokenExpiresAt: "2026-01-01T01:00:00.000Z",
  spawned: true,
  stale: false,
  state: "Submitted",
};

async function bodyOf(request: AsyncIterable<Buffer>): Promise<unknown> {
  let text = "";
  for await (const chunk of request) text += chunk;
  return JSON.parse(text);
}

test("connect asks for a session, and gives what the API answers", async () => {
  const bodies: unknown[] = [];
  const { url, requests } = await startServer(async (response, request) => {
    bodies.push(await bodyOf(request));
    json(connection)(response, request);
  });
  const request = { key: "document-42", user: "ada", auth: { mayWrite: true }, tokenTtlSeconds: 60 };
  expect(await hurriedClient(url).connect(request)).toEqual(connection);
  expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual(["POST /api/connect"]);
  expect(bodies).toEqual([request]);
});

test("what waits until it is ready may take that much longer", async () => {
  const { url } = await startServer((response, request) => setTimeout(json(connection), 150, response, request));
  const client = hurriedClient(url, { timeoutMs: 50 });
  await expect(client.connect({ key: "a" })).rejects.toMatchObject({ code: "timeout" });
  expect(await client.connect({ key: "a", waitReady: true })).toEqual(connection);
});

test("a key whose backends fail says when to come again", async () => {
  const { url, requests } = await startServer(json(errorBody("unavailable"), 503, { "retry-after": "4" }));
  const error = await hurriedClient(url)
    .connect({ key: "a" })
    .catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: "unavailable", retryAfterSeconds: 4 });
  expect(requests).toHaveLength(1);
});

test("an answer without a token is none of a connect", async () => {
  const { url } = await startServer(json({ backend: "b1" }));
  await expect(hurriedClient(url).connect()).rejects.toMatchObject({ code: "bad_answer" });
});

test("revoke names a user or a token", async () => {
  const bodies: unknown[] = [];
  const { url, requests } = await startServer(async (response, request) => {
    bodies.push(await bodyOf(request));
    json({})(response, request);
  });
  const client = hurriedClient(url);
  await client.revoke("b1", { user: "ada" });
  await client.revoke("b1", { token: "t" });
  expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual(Array(2).fill("POST /api/backend/b1/revoke"));
  expect(bodies).toEqual([{ user: "ada" }, { token: "t" }]);
  await expect(client.revoke("..", { user: "ada" })).rejects.toMatchObject({ code: "invalid_request" });
});

import { fileURLToPath } from "node:url";
import type { SpawnerClient } from "@spawner/client";
import type { Page } from "playwright-core";
import { build } from "rolldown";
import { expect, test } from "vitest";
import { openBrowser } from "../support/browser.ts";
import { startEmbedded } from "../support/embedded.ts";

/** What the page has of it. */
declare const spawner: { SpawnerClient: typeof SpawnerClient };

async function bundleClient(): Promise<string> {
  const { output } = await build({
    input: fileURLToPath(new URL("../../packages/client/src/index.ts", import.meta.url)),
    platform: "browser",
    output: { format: "iife", name: "spawner", minify: true },
    write: false,
  });
  return output[0].code;
}

/** A page of a backend, which is of the same origin as the API, with the client in it. */
async function openPage(url: string): Promise<Page> {
  const page = await (await openBrowser()).newPage();
  await page.goto(url);
  await page.addScriptTag({ content: await bundleClient() });
  return page;
}

test("a page starts a session, follows it to its end, and reads what it wrote", async () => {
  const { spawn, url } = await startEmbedded({ gracePeriodSeconds: 60 });
  const page = await openPage((await spawn()).url);
  const seen = await page.evaluate(async () => {
    const client = new spawner.SpawnerClient({ url: "/api" });
    const { name, url = "" } = await client.spawn({ env: { WORD: "ä" } });
    const ready = await client.waitUntilReady(name, { timeoutMs: 10_000 });
    const echo = (await (await fetch(`${url}echo`)).json()) as { env: Record<string, string> };
    const stream = client.statusStream(name);
    const states: string[] = [];
    for await (const { state } of stream) {
      states.push(state);
      if (state === "Ready") await client.stop(name);
    }
    let log = "";
    for await (const text of client.logs(name)) log += text;
    const names: string[] = [];
    for await (const backend of client.listAll({ limit: 1 })) names.push(backend.name);
    return { name, url, ready: ready.state, word: echo.env.WORD, states, log, names };
  });
  expect(seen).toMatchObject({
    url: `${url}/${seen.name}/`,
    ready: "Ready",
    word: "ä",
    states: ["Submitted", "Constructed", "Scheduled", "Running", "Ready", "Stopping", "Swept"],
    log: "",
  });
  expect(seen.names).toHaveLength(2);
  expect(seen.names).toContain(seen.name);
});

test("in a page, too, errors have their codes, and an abort ends a stream", async () => {
  const { spawn } = await startEmbedded({ gracePeriodSeconds: 60 });
  const { url, name } = await spawn();
  const page = await openPage(url);
  const codes = await page.evaluate(async (id) => {
    const client = new spawner.SpawnerClient({ url: "/api" });
    const codeOf = (call: Promise<unknown>) =>
      call.then(
        () => "none",
        (error: { name: string; code: string }) => `${error.name} ${error.code}`,
      );
    const leaving = new AbortController();
    const follow = async () => {
      for await (const { state } of client.statusStream(id, { signal: leaving.signal })) {
        if (state === "Ready") leaving.abort();
      }
    };
    const away = new spawner.SpawnerClient({ url: "http://127.0.0.1:1/api" });
    return {
      unknown: await codeOf(client.status("nonsense")),
      aborted: await codeOf(follow()),
      away: await codeOf(away.status(id)),
    };
  }, name);
  expect(codes).toEqual({
    unknown: "SpawnerClientError not_found",
    aborted: "SpawnerClientError aborted",
    away: "SpawnerClientError unreachable",
  });
});

test("a browser's own EventSource comes to rest after the last state, and does not ask again and again", async () => {
  const { spawn } = await startEmbedded({ gracePeriodSeconds: 60 });
  const { url, name } = await spawn();
  const page = await openPage(url);
  const asked: number[] = [];
  page.on("response", (response) => {
    if (response.url().endsWith("/status/stream")) asked.push(response.status());
  });
  const seen = await page.evaluate(async (id) => {
    const client = new spawner.SpawnerClient({ url: "/api" });
    const source = new EventSource(`/api/backend/${id}/status/stream`);
    const states: string[] = [];
    let errors = 0;
    source.addEventListener("message", ({ data }) => {
      const { state } = JSON.parse(data as string) as { state: string };
      states.push(state);
      if (state === "Ready") void client.stop(id);
    });
    await new Promise<void>((resolve) => {
      source.addEventListener("error", () => {
        errors += 1;
        if (source.readyState === EventSource.CLOSED) resolve();
      });
    });
    return { states, errors };
  }, name);
  expect(seen.states).toEqual(["Submitted", "Constructed", "Scheduled", "Running", "Ready", "Stopping", "Swept"]);
  expect({ asked, errors: seen.errors }).toEqual({ asked: [200, 204], errors: 2 });
});

test("in a page, too, a redirect is not followed", async () => {
  const { spawn } = await startEmbedded({ gracePeriodSeconds: 60 });
  const page = await openPage((await spawn()).url);
  let sent = 0;
  await page.route("**/elsewhere/**", (route) => {
    sent += 1;
    return route.fulfill({ json: { name: "b1" } });
  });
  await page.route("**/moved/**", (route) => route.fulfill({ status: 307, headers: { location: "/elsewhere/spawn" } }));
  const error = await page.evaluate(async () => {
    const client = new spawner.SpawnerClient({ url: "/moved" });
    return client.spawn({ env: { KEY: "secret" } }).then(
      () => undefined,
      ({ code, status, message }: { code: string; status: unknown; message: string }) => ({ code, status, message }),
    );
  });
  expect(error).toEqual({ code: "bad_answer", message: expect.stringMatching(/was redirected to another address/) });
  expect(sent).toBe(0);
});

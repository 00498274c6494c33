import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { SpawnerClient } from "@spawner/client";
import { expect, onTestFinished, test } from "vitest";
import { openBrowser } from "../support/browser.ts";
import { startEmbedded } from "../support/embedded.ts";

/** The port of an application's own server, which is another origin than Spawner's. */
async function startApplication(): Promise<number> {
  const server = createServer((_, response) =>
    response.setHeader("content-type", "text/html").end("<title>App</title>"),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

test("a page of an allowed origin uses a session and reads its state; one of another origin cannot", async () => {
  const port = await startApplication();
  const allowedOrigins = [`http://127.0.0.1:${port}`];
  const { url: server } = await startEmbedded({ gracePeriodSeconds: 30, allowedOrigins });
  const client = new SpawnerClient({ url: `${server}/api` });
  const { url = "", token, statusUrl } = await client.connect({ key: "doc", waitReady: true });
  const calls = async ([session = "", stream = "", bearer = ""]: string[]) => {
    const authorization = `Bearer ${bearer}`;
    const page = await fetch(session, { headers: { authorization, "x-mine": "1" } });
    const refused = await fetch(session, { headers: { authorization: "Bearer none" } });
    const reader = (await fetch(stream, { headers: { "last-event-id": "x" } })).body?.getReader();
    const first = new TextDecoder().decode((await reader?.read())?.value);
    return [page.status, refused.status, ((await refused.json()) as { code: string }).code, first.startsWith("id: ")];
  };
  const given = [url.replace(/\?.*/, ""), `${statusUrl}/stream`, token];
  const page = await (await openBrowser()).newPage();
  await page.goto(`http://127.0.0.1:${port}/`);
  expect(await page.evaluate(calls, given)).toEqual([200, 401, "unauthorized", true]);
  await page.goto(`http://localhost:${port}/`);
  await expect(page.evaluate(calls, given)).rejects.toThrow(/Failed to fetch/);
});

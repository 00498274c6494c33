import { fileURLToPath } from "node:url";
import { type ConnectRequest, SpawnerClient } from "@spawner/client";
import { expect, test } from "vitest";
import type { EmbeddedConfig } from "../../packages/server/src/embedded/index.ts";
import { openBrowser } from "../support/browser.ts";
import { startEmbedded } from "../support/embedded.ts";
import { gated } from "../support/gated.ts";
import { watchPage } from "../support/watched-page.ts";

const board = fileURLToPath(new URL("../../demo/board/server.js", import.meta.url));

/** A server whose program begins when `release` is called. */
async function start(overrides: Partial<EmbeddedConfig> = {}, program = [process.execPath, board]) {
  const { command, open: release } = gated(program);
  const template = { command, cwd: process.cwd() };
  const { url } = await startEmbedded({ template, gracePeriodSeconds: 30, ...overrides });
  return { client: new SpawnerClient({ url: `${url}/api` }), release };
}

/** A session of it that asks for a token. */
async function connect(overrides: Partial<EmbeddedConfig> = {}) {
  const { client, release } = await start(overrides);
  const request: ConnectRequest = { key: "doc", user: "ada" };
  const { url = "", backend } = await client.connect(request);
  return { url, backend, release };
}

test("a browser is shown the steps of a start, and then the program", async () => {
  const { url, backend, release } = await connect();
  const page = await (await openBrowser()).newPage();
  const seen = watchPage(page);
  expect((await page.goto(url))?.status()).toBe(503);
  expect(await page.title()).toBe("Starting…");
  await page.waitForSelector('li.done[data-state="Running"]');
  await page.waitForSelector('[role="status"][aria-live="polite"]:text("Step 4 of 5: Started")');
  expect(await page.getAttribute('li[data-state="Ready"]', "aria-current")).toBe("step");
  expect(await page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth")).toBe("480px");
  release();
  await page.waitForSelector('html[data-connection="live"]');
  expect(page.url()).toBe(`${new URL(url).origin}/${backend}/`);
  expect(await page.evaluate("document.cookie")).toBe("");
  expect(seen).toEqual({ violations: [], leaks: [] });
});

test("the page of a start says why there is none, and has nothing of it run", async () => {
  const { client, release } = await start({}, ["sh", "-c", "echo '<img src=x onerror=alert(1)>'; exit 3"]);
  const { url = "" } = await client.spawn({}); // whose page tells the program's output: it asks for no token
  const page = await (await openBrowser()).newPage();
  const seen = watchPage(page);
  await page.goto(url);
  await page.waitForSelector('li.done[data-state="Running"]');
  release();
  await page.waitForSelector('html[data-state="ended"] [role="alert"]');
  expect(await page.textContent("h1")).toBe("The session could not be started");
  expect(await page.textContent('[role="alert"]')).toContain("<img src=x");
  expect(await page.locator("img").count()).toBe(0);
  expect(await page.locator("li").first().isVisible()).toBe(false);
  expect(seen).toEqual({ violations: [], leaks: [] });
});

test("the page of a start says that the session is ending, when it was asked to before it was ready", async () => {
  const { url } = await connect();
  const page = await (await openBrowser()).newPage();
  const states = ["Running", "Stopping", "OfALaterRelease"];
  const body = states.map((state) => `data: ${JSON.stringify({ state, time: "2026-01-01T00:00:00Z" })}\n\n`).join("");
  await page.route("**/status/stream", (route) => route.fulfill({ contentType: "text/event-stream", body }));
  const seen = watchPage(page);
  await page.goto(url);
  await page.waitForSelector('[role="status"]:text("The session is ending.")');
  expect(await page.locator("li[aria-current]").count()).toBe(0);
  expect(seen.violations).toEqual([]);
});

test("without JavaScript the page of a start looks again by itself", async () => {
  const { url, release } = await connect();
  const page = await (await openBrowser()).newPage({ javaScriptEnabled: false });
  await page.goto(url);
  expect(await page.title()).toBe("Starting…");
  release();
  await page.waitForSelector("canvas");
});

test("a session on a host of its own shows its start there", async () => {
  const { url, backend, release } = await connect({ hostDomain: "localhost" });
  const page = await (await openBrowser()).newPage();
  const seen = watchPage(page);
  await page.goto(url);
  await page.waitForSelector('li.done[data-state="Running"]');
  release();
  await page.waitForSelector('html[data-connection="live"]');
  expect(new URL(page.url())).toMatchObject({ hostname: `${backend}.localhost`, pathname: "/" });
  expect(seen).toEqual({ violations: [], leaks: [] });
});

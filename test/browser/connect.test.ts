import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ConnectRequest, ConnectResponse } from "@spawner/client";
import { type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { expect, onTestFinished, test } from "vitest";
import { type EmbeddedConfig, run } from "../../packages/server/src/embedded/index.ts";
import { systemClock } from "../../packages/server/src/lib/clock.ts";
import { silentLog } from "../../packages/server/src/lib/log.ts";

const board = fileURLToPath(new URL("../../demo/board/server.js", import.meta.url));
const startBoard = `exec "${process.execPath}" "${board}"`;

/** A server whose next start goes on with its sessions. Their programs start when `release` is called. */
async function startServer(overrides: Partial<EmbeddedConfig> = {}, then = startBoard) {
  const gate = join(mkdtempSync(join(tmpdir(), "spawner-gate-")), "open");
  const command = ["sh", "-c", `until [ -e "${gate}" ]; do sleep 0.05; done; ${then}`];
  const stateDir = mkdtempSync(join(tmpdir(), "spawner-browser-"));
  const config: EmbeddedConfig = {
    host: "127.0.0.1",
    port: 0,
    stateDir,
    template: { command, cwd: process.cwd() },
    gracePeriodSeconds: 30,
    allowedHosts: ["127.0.0.1", "localhost"],
    allowAnonymous: true,
    backendsMax: 10,
    parkedMax: 100,
    retainSeconds: 3600,
    recordsMax: 100,
    ...overrides,
  };
  let running = await run(config, { clock: systemClock, log: silentLog });
  config.port = running.port;
  const api = `${running.url}/api`;
  onTestFinished(async () => {
    await running.drain({ graceSecondsMax: 0 });
    await running.close();
    for (const folder of [stateDir, dirname(gate)]) rmSync(folder, { recursive: true, force: true });
  });
  const post = async (path: string, body: object) => {
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    const response = await fetch(`${api}${path}`, init);
    expect(response.status, await response.clone().text()).toBe(200);
    return response.json();
  };
  return {
    api,
    release: () => writeFileSync(gate, ""),
    connect: async (body: ConnectRequest) => (await post("/connect", body)) as ConnectResponse & { url: string },
    restart: async () => {
      await running.close();
      running = await run(config, { clock: systemClock, log: silentLog });
    },
  };
}

async function openBrowser(options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const browser = await chromium.launch({
    executablePath: process.env.SPAWNER_TEST_BROWSER ?? "",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
  });
  onTestFinished(() => browser.close());
  return browser.newContext(options);
}

/** What must not be seen: something that a page's policy forbade, or the token where others can read it. */
function watch(page: Page, token: string) {
  const violations: string[] = [];
  const leaks: string[] = [];
  page.on("console", (message) => {
    if (/Content.Security.Policy/i.test(message.text())) violations.push(message.text());
  });
  page.on("request", (request) => {
    const { referer = "" } = request.headers();
    if (referer.includes(token)) leaks.push(`Referer of ${request.url()}`);
  });
  page.on("framenavigated", (frame) => {
    if (frame.url().includes(token)) leaks.push(`location ${frame.url()}`);
  });
  return { violations, leaks };
}

test("a browser is shown the steps of a start, then the board, goes on over a restart, and is told the end", async () => {
  const { connect, restart, release, api } = await startServer();
  const { url, token, backend } = await connect({ key: "doc", user: "ada" });
  const page = await (await openBrowser()).newPage();
  const seen = watch(page, token);

  await page.goto(url);
  expect(await page.title()).toBe("Starting…");
  await page.waitForSelector('li.done[data-state="Running"]');
  await page.waitForSelector('[role="status"][aria-live="polite"]:text("Step 4 of 5: Started")');
  expect(await page.getAttribute('li[data-state="Ready"]', "aria-current")).toBe("step");
  release();
  await page.waitForSelector('html[data-connection="live"]');
  expect(page.url()).toBe(`${new URL(url).origin}/${backend}/`);
  expect(await page.evaluate("document.cookie")).toBe("");

  const isCut = page.waitForSelector('html[data-connection="connecting"]');
  await restart();
  await isCut;
  await page.waitForSelector('html[data-connection="live"]');
  await page.mouse.move(300, 300);
  await page.mouse.down();
  await page.mouse.move(500, 400, { steps: 10 });
  await page.mouse.up();
  await page.waitForSelector('html[data-strokes="1"]');

  await fetch(`${api}/backend/${backend}`, { method: "DELETE" });
  await page.waitForSelector('html[data-connection="ended"]');
  await page.reload();
  expect(await page.textContent("h1")).toBe("The session has ended");
  expect(await page.textContent('[role="alert"]')).toContain("(Requested)");
  expect(await page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth")).toBe("480px");
  expect(seen).toEqual({ violations: [], leaks: [] });
});

test("the page of a start says why there is none, and has nothing of it run", async () => {
  const { connect, release } = await startServer({}, "echo '<img src=x onerror=alert(1)>'; exit 3");
  const { url, token } = await connect({ key: "doc" });
  const page = await (await openBrowser()).newPage();
  const seen = watch(page, token);
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

test("without JavaScript the page of a start looks again by itself", async () => {
  const { connect, release } = await startServer();
  const { url } = await connect({ key: "doc" });
  const page = await (await openBrowser({ javaScriptEnabled: false })).newPage();
  await page.goto(url);
  expect(await page.title()).toBe("Starting…");
  release();
  await page.waitForSelector("canvas");
});

test("a session on a host of its own shows its start there", async () => {
  const { connect, release } = await startServer({ hostDomain: "localhost" });
  const { url, token, backend } = await connect({ key: "doc" });
  const page = await (await openBrowser()).newPage();
  const seen = watch(page, token);
  await page.goto(url);
  await page.waitForSelector('li.done[data-state="Running"]');
  release();
  await page.waitForSelector('html[data-connection="live"]');
  expect(new URL(page.url())).toMatchObject({ hostname: `${backend}.localhost`, pathname: "/" });
  expect(seen).toEqual({ violations: [], leaks: [] });
});

test("a page of an allowed origin uses a session and reads its state; one of another origin cannot", async () => {
  const app = createServer((_, response) => response.setHeader("content-type", "text/html").end("<title>App</title>"));
  await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void app.close());
  const { port } = app.address() as AddressInfo;
  const { connect, release, api } = await startServer({ allowedOrigins: [`http://127.0.0.1:${port}`] });
  release();
  const { url, token, backend } = await connect({ key: "doc", waitReady: true });
  const calls = async ([session = "", stream = "", bearer = ""]: string[]) => {
    const authorization = `Bearer ${bearer}`;
    const page = await fetch(session, { headers: { authorization, "x-mine": "1" } });
    const refused = await fetch(session, { headers: { authorization: "Bearer none" } });
    const reader = (await fetch(stream, { headers: { "last-event-id": "x" } })).body?.getReader();
    const first = new TextDecoder().decode((await reader?.read())?.value);
    return [page.status, refused.status, ((await refused.json()) as { code: string }).code, first.startsWith("id: ")];
  };
  const given = [url.replace(/\?.*/, ""), `${api}/backend/${backend}/status/stream`, token];
  const page = await (await openBrowser()).newPage();
  await page.goto(`http://127.0.0.1:${port}/`);
  expect(await page.evaluate(calls, given)).toEqual([200, 401, "unauthorized", true]);
  await page.goto(`http://localhost:${port}/`);
  await expect(page.evaluate(calls, given)).rejects.toThrow(/Failed to fetch/);
});

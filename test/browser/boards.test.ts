import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { expect, onTestFinished, test } from "vitest";
import { runCommand, startDev } from "../support/dev.ts";

const board = fileURLToPath(new URL("../../demo/board/server.js", import.meta.url));
const application = fileURLToPath(new URL("../../demo/board/application.js", import.meta.url));

/** A person with a browser of their own. */
async function openBrowser(): Promise<BrowserContext> {
  const profile = mkdtempSync(join(tmpdir(), "spawner-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.SPAWNER_TEST_BROWSER ?? "",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
  });
  onTestFinished(async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  });
  return context;
}

async function startBoards() {
  const { url } = await startDev([process.execPath, board]);
  const env = { SPAWNER_URL: `${url}/api`, APP_PORT: "0" };
  const { output } = runCommand([process.execPath, application], env);
  const [, home = ""] = await output.waitFor(/are at (http:\S+)/);
  return { home, gateway: url };
}

/** Goes to a link of the application, and says who it is. */
async function enter(link: string, user: string): Promise<Page> {
  const page = await (await openBrowser()).newPage();
  await page.goto(link);
  await page.fill('input[name="user"]', user);
  await page.click("text=Draw");
  await page.waitForSelector('html[data-connection="live"]');
  return page;
}

const namesOn = (page: Page) =>
  page.$$eval("#people span", (spans) => spans.map((span) => span.getAttribute("title") ?? "").toSorted());

test("a board's link brings everybody to it, each by name; who is taken off while drawing is out at once, alone", {
  timeout: 60_000,
}, async () => {
  const { home, gateway } = await startBoards();
  const ada = await enter(`${home}boards/plans`, "ada");
  expect(ada.url()).toMatch(new RegExp(`^${gateway}/[a-z0-9]{24}/$`)); // without a token
  const bob = await enter(`${home}boards/plans`, "bob");
  const eve = await enter(`${home}boards/other`, "eve");
  await ada.waitForSelector('html[data-people="2"]');
  expect([await namesOn(ada), await namesOn(bob), await namesOn(eve)]).toEqual([
    ["ada (you)", "bob"],
    ["ada", "bob (you)"],
    ["eve (you)"],
  ]);

  await bob.mouse.move(300, 300);
  await bob.mouse.down();
  await bob.mouse.move(400, 400, { steps: 5 });
  await ada.waitForSelector('html[data-strokes="1"]');
  const owner = await ada.context().newPage();
  await owner.goto(home);
  await owner.click("text=Take bob off");
  const removedAtMs = performance.now();
  await bob.waitForSelector('html[data-connection="removed"]', { timeout: 5_000 });
  await ada.waitForSelector('html[data-people="1"]');
  expect(performance.now() - removedAtMs).toBeLessThan(5_000);
  await bob.mouse.move(500, 500, { steps: 5 });
  await bob.mouse.up();
  expect(await ada.getAttribute("html", "data-connection")).toBe("live");

  await bob.click("text=Try again");
  await bob.waitForSelector("text=You were taken off this board");
  expect(await namesOn(ada)).toEqual(["ada (you)"]);
});

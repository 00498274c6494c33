// The application of the demo, a Spawner that serves for good, and people with browsers: a board from its first page to its last.
import { fileURLToPath } from "node:url";
import type { BackendList } from "@spawner/client";
import type { Browser, Page } from "playwright-core";
import { expect, onTestFinished, test } from "vitest";
import { openBrowser } from "../support/browser.ts";
import { runCommand, temporaryFolder } from "../support/dev.ts";
import { gated } from "../support/gated.ts";
import { startServed } from "../support/served.ts";
import { watchPage } from "../support/watched-page.ts";

const board = fileURLToPath(new URL("../../demo/board/server.js", import.meta.url));
const application = fileURLToPath(new URL("../../demo/board/application.js", import.meta.url));

/** Boards, whose programs begin when `release` is called. */
async function startBoards() {
  const stateDir = temporaryFolder();
  const { command, open: release } = gated([process.execPath, board]);
  let server = await startServed({ stateDir, command });
  onTestFinished(async () => {
    server.killSessions();
    await server.close();
  });
  const { output } = runCommand([process.execPath, application], { SPAWNER_URL: `${server.url}/api`, APP_PORT: "0" });
  const [, home = ""] = await output.waitFor(/are at (http:\S+)/);
  return {
    home,
    release,
    gateway: server.url,
    ask: server.ask,
    /** As a crash and what starts it again: nobody is told, and nothing is put in order. */
    async crashAndRestart() {
      await server.close("SIGKILL");
      server = await startServed({ stateDir, command, flags: ["--port", new URL(server.url).port] });
    },
  };
}

/** A person with cookies of their own, who goes to a link of the application and says who it is. */
async function enter(browser: Browser, link: string, user: string) {
  const page = await (await browser.newContext()).newPage();
  const seen = watchPage(page);
  await page.goto(link);
  await page.fill('input[name="user"]', user);
  await page.click("text=Draw");
  return { page, seen };
}

async function drawStroke(page: Page, steps = 5): Promise<void> {
  await page.mouse.move(300, 300);
  await page.mouse.down();
  await page.mouse.move(400, 400, { steps });
  await page.mouse.up();
}

const namesOn = (page: Page) =>
  page.$$eval("#people span", (spans) => spans.map((span) => span.getAttribute("title") ?? "").toSorted());

const untilIs = (page: Page, connection: string) => page.waitForSelector(`html[data-connection="${connection}"]`);

test("a board is waited for, drawn on by two who are told apart, survives a crash of the server, loses one of them, and ends", async () => {
  const { home, gateway, ask, release, crashAndRestart } = await startBoards();
  const browser = await openBrowser();
  const link = `${home}boards/plans`;

  const { page: ada, seen: seenOfAda } = await enter(browser, link, "ada");
  expect(await ada.title()).toBe("Starting…");
  await ada.waitForSelector('[role="status"]:text("Step 4 of 5: Started")');
  release();
  await untilIs(ada, "live");
  expect(ada.url()).toMatch(new RegExp(`^${gateway}/[a-z0-9]{24}/$`)); // without a token
  const { page: bob, seen: seenOfBob } = await enter(browser, link, "bob");
  await untilIs(bob, "live");
  await ada.waitForSelector('html[data-people="2"]');
  expect([await namesOn(ada), await namesOn(bob)]).toEqual([
    ["ada (you)", "bob"],
    ["ada", "bob (you)"],
  ]);

  await drawStroke(bob);
  await ada.waitForSelector('html[data-strokes="1"]');
  const place = await ada.textContent("#process"); // its number, and since when it runs
  const areCut = Promise.all([untilIs(ada, "connecting"), untilIs(bob, "connecting")]);
  await crashAndRestart();
  await areCut;
  await Promise.all([untilIs(ada, "live"), untilIs(bob, "live")]);
  await ada.waitForSelector('html[data-strokes="1"][data-people="2"]');
  expect(await ada.textContent("#process")).toBe(place);

  await bob.mouse.move(300, 500);
  await bob.mouse.down();
  await bob.mouse.move(400, 400, { steps: 5 });
  await ada.waitForSelector('html[data-strokes="2"]');
  const owner = await ada.context().newPage();
  await owner.goto(home);
  await owner.click("text=Take bob off");
  await untilIs(bob, "removed");
  await ada.waitForSelector('html[data-people="1"]');
  await bob.mouse.move(500, 500, { steps: 5 });
  await bob.mouse.up();
  await drawStroke(ada);
  await ada.waitForSelector('html[data-strokes="3"]');
  await bob.click("text=Try again");
  await bob.waitForSelector("text=You were taken off this board");
  expect((await bob.goto(ada.url()))?.status()).toBe(401);
  expect(await bob.textContent("main")).toBe("You are not let inThe token was revoked.");

  const { backends } = (await (await ask("/api/backends")).json()) as BackendList;
  expect(backends).toHaveLength(1);
  await ask(`/api/backend/${backends[0]?.name}`, { method: "DELETE" });
  await untilIs(ada, "ended");
  expect((await ada.reload())?.status()).toBe(410);
  expect(await ada.textContent("h1")).toBe("The session has ended");
  expect(await ada.textContent('[role="alert"]')).toContain("(Requested)");

  const nothing = { violations: [], leaks: [] };
  expect({ seenOfAda, seenOfBob }).toEqual({ seenOfAda: nothing, seenOfBob: nothing });
});

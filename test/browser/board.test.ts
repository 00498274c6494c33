import { fileURLToPath } from "node:url";
import type { BackendList, BackendView } from "@spawner/client";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { expect, test } from "vitest";
import { openBrowser } from "../support/browser.ts";
import { startDev } from "../support/dev.ts";
import { eventually } from "../support/embedded.ts";

const board = fileURLToPath(new URL("../../demo/board/server.js", import.meta.url));
const gracePeriodSeconds = 2;

async function openPage(person: Browser | BrowserContext, url: string): Promise<Page> {
  const page = await person.newPage();
  await page.goto(url);
  await page.waitForSelector('html[data-connection="live"]');
  return page;
}

async function drawStroke(page: Page): Promise<void> {
  await page.mouse.move(300, 300);
  await page.mouse.down();
  await page.mouse.move(500, 400, { steps: 10 });
  await page.mouse.up();
}

test("two pages draw on one board and a third on another; when the two are closed, exactly their board ends", async () => {
  const { url } = await startDev([process.execPath, board], { args: ["--grace-period", String(gracePeriodSeconds)] });
  const backends = async (): Promise<BackendView[]> =>
    ((await (await fetch(`${url}/api/backends`)).json()) as BackendList).backends;
  const context = await (await openBrowser()).newContext();

  const first = await openPage(context, `${url}/`);
  const second = await openPage(context, first.url());
  const third = await openPage(context, `${url}/`);
  expect(second.url()).toBe(first.url());
  expect(third.url()).not.toBe(first.url());
  expect(await backends()).toHaveLength(2); // one for each board; none for an icon or a page's parts

  await drawStroke(first);
  await second.waitForSelector('html[data-strokes="1"][data-people="2"]');
  expect(await third.getAttribute("html", "data-strokes")).toBe("0");
  expect(await third.getAttribute("html", "data-people")).toBe("1");

  const boardUrl = first.url();
  const stateOf = async (page: string) => (await backends()).find(({ url: each }) => each === page)?.state;
  await first.close();
  await new Promise((resolve) => setTimeout(resolve, (gracePeriodSeconds + 1) * 1000));
  expect(await stateOf(boardUrl)).toBe("Ready"); // the second page is still there

  const thirdUrl = third.url();
  await second.close();
  await eventually("their board has ended", async () => (await stateOf(boardUrl)) === "Swept", 4_000);
  expect(await stateOf(thirdUrl)).toBe("Ready");
  await drawStroke(third);
  await third.waitForSelector('html[data-strokes="1"]');
});

test("a page whose board was ended says so, and offers a new one", async () => {
  const { url } = await startDev([process.execPath, board]);
  const page = await openPage(await openBrowser(), `${url}/`);
  const id = new URL(page.url()).pathname.split("/")[1];
  await fetch(`${url}/api/backend/${id}`, { method: "DELETE" });
  await page.waitForSelector('html[data-connection="ended"]');
  await page.click("#ended a");
  await page.waitForSelector('html[data-connection="live"]');
  expect(new URL(page.url()).pathname).not.toContain(id);
});

test("its tools are used by keyboard alone, and its link is got where there is no clipboard", async () => {
  const { url } = await startDev([process.execPath, board]);
  const page = await openPage(await openBrowser(), `${url}/`);
  const focused = () => page.evaluate("document.activeElement.getAttribute('aria-label')");
  await page.focus("#colors [aria-checked=true]");
  expect(await focused()).toBe("Blue (6)");
  await page.keyboard.press("ArrowRight");
  await page.waitForSelector('#colors [aria-label="Violet (7)"][aria-checked=true]');
  await page.keyboard.press("Tab");
  expect(await focused()).toBe("Medium");
  for (let count = 0; count < 2; count++) await page.keyboard.press("ArrowUp");
  await page.waitForSelector('#widths [aria-label="Thick"][aria-checked=true]');
  await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  expect(await page.getAttribute("#eraser", "aria-pressed")).toBe("true");

  await page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })");
  const asked = page.waitForEvent("dialog");
  const clicked = page.click("#copy");
  const dialog = await asked;
  expect(dialog.defaultValue()).toBe(page.url());
  await dialog.dismiss();
  await clicked;
});

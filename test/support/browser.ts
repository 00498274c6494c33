import { type Browser, chromium } from "playwright-core";
import { onTestFinished } from "vitest";

/**
 * A browser that asks nothing of anybody by itself, gone with the test. Each `newPage()` of it is a person's, with cookies of
 * their own; the pages of one `newContext()` are all of one person's.
 */
export async function openBrowser(): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: process.env.SPAWNER_TEST_BROWSER ?? "",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  onTestFinished(() => browser.close());
  return browser;
}

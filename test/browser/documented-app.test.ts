import type { BackendList } from "@spawner/client";
import { expect, test } from "vitest";
import { openBrowser } from "../support/browser.ts";
import { startDocumentedApp } from "../support/documented-app.ts";

test("the application of docs/connect.md, as it stands there", async () => {
  const { url, spawnerUrl, removeBob } = await startDocumentedApp();
  const browser = await openBrowser();
  const open = async (user: string) => {
    const page = await browser.newPage();
    await page.goto(`${url}/?document=plans&user=${user}`);
    await page.waitForSelector("text=Connected");
    return page;
  };
  const [ada, bob] = [await open("ada"), await open("bob")];
  const write = async (page: typeof ada, text: string) => {
    await page.fill("#text", text);
    await page.press("#text", "Enter");
  };
  await write(ada, "hello");
  await bob.waitForSelector("text=ada: hello");
  await write(bob, "hi");
  await ada.waitForSelector("text=bob: hi");

  // Its program ends: the next one has read the file, and the pages come to it by themselves.
  const { backends } = (await (await fetch(`${spawnerUrl}/api/backends`)).json()) as BackendList;
  expect(backends).toHaveLength(1);
  const [backend] = backends;
  await fetch(`${spawnerUrl}/api/backend/${backend?.name}`, { method: "DELETE" });
  await ada.waitForSelector("text=Connecting…");
  await ada.waitForSelector("text=Connected");
  await ada.waitForSelector("text=bob: hi");
  await bob.waitForSelector("text=Connected");

  expect(await removeBob()).toBe("{}");
  await bob.waitForSelector("text=Over (Refused)");
  await write(ada, "still here");
  await ada.waitForSelector("text=ada: still here");
});

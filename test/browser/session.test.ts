import { fileURLToPath } from "node:url";
import type { ConnectResponse } from "@spawner/client";
import type { openSession, Session, SessionSocket } from "@spawner/client/session";
import type { Page } from "playwright-core";
import { build } from "rolldown";
import { expect, onTestFinished, test } from "vitest";
import { openBrowser } from "../support/browser.ts";
import { temporaryFolder } from "../support/dev.ts";
import { startServed } from "../support/served.ts";

/** What the page has of it. */
declare const spawner: { openSession: typeof openSession };
/** What the test leaves in the page. */
declare const here: {
  session: Session;
  socket: SessionSocket;
  /** Its id. The page itself is of another one. */
  backend: string;
  tokens: string[];
  told: string[];
};

type Echo = { pid: number; headers: Record<string, string> };

const program = fileURLToPath(new URL("../support/program.mjs", import.meta.url));

async function bundleSession(): Promise<string> {
  const { output } = await build({
    input: fileURLToPath(new URL("../../packages/client/src/session/index.ts", import.meta.url)),
    platform: "browser",
    output: { format: "iife", name: "spawner", minify: true },
    write: false,
  });
  return output[0].code;
}

/** A page of the program's, which is of the same origin as the API, with the client in it. */
async function openPage({ url, spawn }: { url: string; spawn: () => Promise<string> }): Promise<Page> {
  const id = await spawn();
  await fetch(`${url}/${id}/`); // waits until it is ready: before, it would be another page, which lets no script in
  const page = await (await openBrowser()).newPage();
  await page.goto(`${url}/${id}/`);
  await page.addScriptTag({ content: await bundleSession() });
  return page;
}

async function startServer() {
  const stateDir = temporaryFolder();
  const start = (flags: string[] = []) => startServed({ stateDir, command: [process.execPath, program], flags });
  const first = await start();
  onTestFinished(async () => {
    await first.close();
    first.killSessions();
  });
  const restart = async () => {
    await first.close();
    const next = await start(["--port", new URL(first.url).port]);
    onTestFinished(() => next.close());
  };
  return { ...first, restart };
}

/** Opens a session with a socket in the page, which is of the server's own origin. */
async function openInPage(page: Page, request: object, retry = { firstMs: 50, mostMs: 500 }): Promise<void> {
  await page.evaluate(
    ([body, retry]) => {
      const told: string[] = [];
      const tokens: string[] = [];
      const state = { told, tokens, backend: "" };
      const session = spawner.openSession({
        async connect({ signal }) {
          const headers = { "content-type": "application/json" };
          const answer = await fetch("/api/connect", { method: "POST", headers, body: JSON.stringify(body), signal });
          if (!answer.ok) throw new Error(String(answer.status));
          const connection = (await answer.json()) as ConnectResponse;
          state.backend = connection.backend;
          tokens.push(connection.token);
          return connection;
        },
        onState: ({ state }) => told.push(state),
        onEnded: ({ reason }) => told.push(`ended ${reason}`),
        retry,
      });
      const socket = session.webSocket("socket", {
        onOpen: (opened) => {
          told.push("open");
          opened.send("hello");
        },
        onMessage: () => told.push("echo"),
        onLost: () => told.push("lost"),
      });
      Object.assign(globalThis, { here: Object.assign(state, { session, socket }) });
    },
    [request, retry] as const,
  );
}

const untilTold = (page: Page, what: string, count = 1) =>
  page.waitForFunction(([text, least]) => here.told.filter((each) => each === text).length >= Number(least), [
    what,
    count,
  ] as const);

test("a page waits for its session, comes back to it after the server has restarted, and is told its end once", async () => {
  const { ask, restart, ...server } = await startServer();
  const page = await openPage(server);
  await openInPage(page, { key: "doc", user: "ada", env: { LISTEN_AFTER_MS: "500" } });
  const first = await page.evaluate(async () => {
    const echo = (await (await here.session.fetch("echo")).json()) as Echo;
    return { pid: echo.pid, user: echo.headers["x-spawner-user"], told: here.told };
  });
  expect(first.user).toBe("ada");
  expect(first.told.filter((each) => /^[A-Z]/.test(each)).at(-1)).toBe("Ready"); // before the answer, which waited for it
  await untilTold(page, "echo");

  await restart();
  await untilTold(page, "lost");
  await untilTold(page, "echo", 2);
  const second = await page.evaluate(async () => ((await (await here.session.fetch("echo")).json()) as Echo).pid);
  expect(second).toBe(first.pid);

  await ask(`/api/backend/${await page.evaluate(() => here.backend)}`, { method: "DELETE" });
  await untilTold(page, "ended Requested");
  const last = await page.evaluate(async () => {
    const error = await here.session.fetch("echo").catch((reason: { code: string }) => reason.code);
    return { error, isOpen: here.socket.isOpen, sent: here.socket.send("x"), told: here.told };
  });
  expect(last).toMatchObject({ error: "backend_ended", isOpen: false, sent: false });
  expect(last.told.filter((each) => each.startsWith("ended"))).toEqual(["ended Requested"]);
  expect(last.told.filter((each) => each === "Ready")).toHaveLength(1);
});

test("a token is renewed before it is over, and what is open stays open", async () => {
  const page = await openPage(await startServer());
  await openInPage(page, { key: "doc", user: "ada", tokenTtlSeconds: 4 });
  await untilTold(page, "echo");
  const seen = await page.evaluate(async () => {
    const statuses = new Set<number>();
    // Half of its life is left when it is renewed.
    while (here.tokens.length < 3) {
      statuses.add((await here.session.fetch("echo")).status);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    here.socket.send("still here");
    return { statuses: [...statuses], told: here.told };
  });
  expect(seen.statuses).toEqual([200]);
  await untilTold(page, "echo", 2);
  expect(seen.told.filter((each) => ["lost", "open"].includes(each))).toEqual(["open"]);
});

test("a page whose network was away comes back as soon as that does, however long it would have waited", async () => {
  const { restart, ...server } = await startServer();
  const page = await openPage(server);
  await openInPage(page, { key: "doc", user: "ada" }, { firstMs: 60_000, mostMs: 60_000 });
  await untilTold(page, "echo");
  await page.context().setOffline(true);
  await restart();
  await untilTold(page, "lost");
  await page.context().setOffline(false);
  const backAtMs = performance.now();
  await untilTold(page, "echo", 2);
  expect(performance.now() - backAtMs).toBeLessThan(20_000);
});

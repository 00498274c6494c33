import { type Connection, openSession } from "@spawner/client/session";
import { expect, onTestFinished, test } from "vitest";
import { startDocumentedApp } from "../support/documented-app.ts";
import { eventually } from "../support/embedded.ts";

/** As the page of docs/connect.md does, which test/browser opens itself. */
function open(url: string, user: string) {
  const heard: string[] = [];
  const ends: string[] = [];
  const session = openSession({
    async connect({ signal }) {
      const answer = await fetch(`${url}/session?document=plans&user=${user}`, { method: "POST", signal });
      return answer.status === 403 ? null : ((await answer.json()) as Connection);
    },
    onEnded: ({ reason }) => ends.push(reason),
  });
  onTestFinished(() => session.close());
  const socket = session.webSocket("notes", { onMessage: (text) => heard.push(String(text)) });
  return { session, socket, heard, ends };
}

test("the application of docs/connect.md: who writes what is seen by all, and who is taken off comes back no more", {
  timeout: 60_000,
}, async () => {
  const { url, removeBob } = await startDocumentedApp();
  expect(await (await fetch(`${url}/spawner/session.js`)).text()).toContain("openSession");
  expect((await fetch(`${url}/spawner/../app.mjs`)).status).toBe(404);
  const [ada, bob] = [open(url, "ada"), open(url, "bob")];
  await eventually("both are there", () => ada.heard.length > 0 && bob.heard.length > 0, 20_000);
  ada.socket.send("hello");
  await eventually("it is seen", () => bob.heard.some((text) => text.includes('{"user":"ada","text":"hello"}')));
  expect(await removeBob()).toBe("{}");
  expect((await fetch(`${url}/session?document=plans&user=bob`, { method: "POST" })).status).toBe(403);
  // A request meets the refusal, asks the application anew, and gets no.
  await expect(bob.session.fetch("notes")).rejects.toMatchObject({ code: "unauthorized" });
  await eventually("he is told", () => bob.ends[0] === "Refused");
  expect(ada.socket.send("still here")).toBe(true);
});

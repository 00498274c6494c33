import { expect, test } from "vitest";
import { parseRequestHead } from "../relay/parse-head.ts";
import { answerVisitor } from "./visitor.ts";

const visit = (...fields: string[]) => visitAt({}, ...fields);

/** What `/` answers to a browser that navigates there, and how many backends were started for it. */
async function visitAt({ choice, needsToken = false }: { choice?: string; needsToken?: boolean }, ...fields: string[]) {
  const lines = ["Host: a", "Accept: text/html", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", ...fields];
  const text = `GET / HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`;
  let started = 0;
  const answer = await answerVisitor(
    parseRequestHead(Buffer.from(text), { headBytesMax: 10_000, headerCountMax: 100 }),
    { spawn: needsToken ? undefined : async () => `/b${++started}/`, choice },
  );
  return { started, answer };
}

test.each([
  ["the address bar", ["Sec-Fetch-Site: none"]],
  ["a page of this server", ["Sec-Fetch-Site: same-origin"]],
  ["a browser that does not say", []],
])("who comes by %s is sent to a session of their own", async (_what, fields) => {
  expect(await visit(...fields)).toMatchObject({ started: 1, answer: { status: 303, headers: { location: "/b1/" } } });
});

test.each(["cross-site", "same-site"])(
  "no page of another origin starts one (%s): a person does, by a link",
  async (site) => {
    const { started, answer } = await visit(`Sec-Fetch-Site: ${site}`);
    expect(started).toBe(0);
    expect(answer).toMatchObject({
      status: 200,
      headers: {
        "content-type": expect.stringContaining("text/html"),
        "content-security-policy": expect.stringContaining("frame-ancestors 'none'"),
        "cache-control": "no-store",
      },
      body: expect.stringContaining('<a href="./">'),
    });
  },
);

test("where a template has to be named, nobody is sent to a session, and everybody is told how to start one", async () => {
  const choice = 'known are "chat", "game"';
  const { started, answer } = await visitAt({ choice });
  expect(started).toBe(0);
  expect(answer).toMatchObject({ status: 200, headers: { "content-type": "text/plain; charset=utf-8" } });
  expect(answer.body).toMatch(/\/api\/spawn .*\{"template": "NAME"\}.*known are "chat", "game"\.\n$/s);
});

test("without a token nobody is told which templates there are", async () => {
  const { body } = (await visitAt({ choice: 'known are "chat"', needsToken: true })).answer;
  expect(body).toMatch(/authorization: Bearer TOKEN {3}\{"template": "NAME"\}/);
  expect(body).not.toContain("chat");
});

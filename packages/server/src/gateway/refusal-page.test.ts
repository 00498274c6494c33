import { expect, test } from "vitest";
import { makeErrorAnswer } from "../core/error-body.ts";
import { startGateway } from "./fixture.ts";
import { refusalPage } from "./pages.ts";

const navigation = "accept: text/html,*/*;q=0.8\r\nsec-fetch-mode: navigate\r\n";

const ask = (fields: string, path = "/nobody/") => `GET ${path} HTTP/1.1\r\nhost: a.example\r\n${fields}\r\n`;

test("a browser that opens what there is not is shown a page of that status, which forbids what stands in it", async () => {
  const { exchange } = await startGateway();
  const answer = await exchange(ask(navigation));
  expect(answer).toMatch(/^HTTP\/1\.1 404 /);
  expect(answer).toMatch(/^content-type: text\/html; charset=utf-8\r$/m);
  expect(answer).toMatch(/^content-security-policy: default-src 'none'; /m);
  expect(answer).toContain("<h1>There is nothing here</h1>");
  expect(answer).toContain("There is no backend &#34;nobody&#34;");
  expect(answer).not.toContain("http-equiv");
});

test.each([
  ["what a page asks for", {}, "accept: text/html\r\nsec-fetch-mode: cors\r\n"],
  ["a program", {}, "accept: application/json\r\n"],
  ["everybody, where there are to be no pages", { waitingPage: false }, navigation],
])("%s is told in JSON", async (_, config, fields) => {
  const { exchange } = await startGateway(config);
  const [head = "", body = ""] = (await exchange(ask(fields))).split("\r\n\r\n");
  expect(head).toMatch(/^HTTP\/1\.1 404 /);
  expect(JSON.parse(body)).toMatchObject({ code: "not_found" });
});

test("nothing that a client says is markup of the page", async () => {
  const { exchange } = await startGateway({ allowedHosts: ["localhost"] });
  const answer = await exchange(`GET / HTTP/1.1\r\nhost: <b>\r\n${navigation}\r\n`);
  expect(answer).toMatch(/^HTTP\/1\.1 403 /);
  expect(answer).toContain("Host &#34;&#60;b&#62;&#34; is not served here");
});

test("a page that says when to ask again does so by itself, and finds its style behind a proxy", () => {
  const error = makeErrorAnswer("unavailable", "The backend was not ready.");
  const { status, headers, body } = refusalPage(error, { prefix: "/base" });
  expect({ status, headers }).toMatchObject({
    status: 503,
    headers: { "retry-after": "1", "cache-control": "no-store" },
  });
  expect(body).toContain('<meta http-equiv="refresh" content="5">');
  expect(body).toContain('href="/base/_spawner/waiting.css"');
});

test("what is no error stays what it is", () => {
  const answer = { status: 404, headers: { "content-type": "text/plain" }, body: "{}" };
  expect(refusalPage(answer, { prefix: "" })).toBe(answer);
});

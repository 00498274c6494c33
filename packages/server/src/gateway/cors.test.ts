import { expect, test } from "vitest";
import { parseResponseHead } from "../relay/parse-head.ts";
import { corsFields } from "./cors.ts";

const origin = "https://app.example.com";

const fieldsFor = (lines: string, asked: string | undefined = origin) => {
  const raw = Buffer.from(`HTTP/1.1 200 OK\r\n${lines}\r\n`);
  return Object.fromEntries(corsFields(parseResponseHead(raw, { headBytesMax: 1_000, headerCountMax: 10 }), asked));
};

const readable = { "access-control-allow-origin": origin, "access-control-allow-credentials": "true" };

test("a response is for the origin that asks, and is kept for that alone", () => {
  expect(fieldsFor("")).toEqual({ ...readable, vary: "origin" });
  expect(fieldsFor("Vary: accept-encoding\r\nVary: cookie\r\n")).toEqual({
    ...readable,
    vary: "accept-encoding, cookie, origin",
  });
  expect(fieldsFor("Vary: Origin\r\n")).toEqual(readable);
  expect(fieldsFor("Vary: *\r\n")).toEqual(readable);
});

test("one for nobody in particular is kept for nobody else either", () => {
  const raw = Buffer.from("HTTP/1.1 200 OK\r\n\r\n");
  const response = parseResponseHead(raw, { headBytesMax: 1_000, headerCountMax: 10 });
  expect(corsFields(response, undefined)).toEqual([["vary", "origin"]]);
});

test("a program that answers pages of other origins itself is left alone", () => {
  expect(fieldsFor("Access-Control-Allow-Origin: *\r\n")).toEqual({});
});

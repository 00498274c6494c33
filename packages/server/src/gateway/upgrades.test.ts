import { expect, test } from "vitest";
import { parseRequestHead, parseResponseHead } from "../relay/parse-head.ts";
import { checkUpgraded, passesUpgrade } from "./upgrades.ts";

const limits = { headBytesMax: 10_000, headerCountMax: 100 };

test.each([
  [true, "Connection: Upgrade\r\nUpgrade: websocket\r\n"],
  [true, "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: connect-tcp\r\n"],
  [true, "Connection: Upgrade\r\nUpgrade: httpish/2\r\n"],
  [false, "Connection: Upgrade\r\nUpgrade: h2c, HTTP/2.0\r\n"],
  [false, "Upgrade: websocket\r\n"],
  [false, ""],
])("that an upgrade is passed on is %s of %j", (expected, fields) => {
  const head = parseRequestHead(Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`), limits);
  expect(passesUpgrade(head)).toBe(expected);
});

test.each(["h2c", "websocket, HTTP/2.0", "websocket\r\nUpgrade: H2C"])("no program upgrades to %j", (protocols) => {
  const of = (status: string, value: string) => {
    const text = `HTTP/1.1 ${status} X\r\nConnection: Upgrade\r\nUpgrade: ${value}\r\n\r\n`;
    return parseResponseHead(Buffer.from(text), limits);
  };
  expect(() => checkUpgraded(of("101", protocols))).toThrow(/not asked for/);
  expect(() => checkUpgraded(of("101", "websocket"))).not.toThrow();
  expect(() => checkUpgraded(of("426", protocols))).not.toThrow(); // it may say what it knows
});

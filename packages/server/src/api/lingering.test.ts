import { describe, expect, test } from "vitest";
import { errorIn, startApi } from "./fixture.ts";

const json = "content-type: application/json\r\n";
const refusals = [
  [413, "POST", json],
  [415, "POST", "content-type: text/plain\r\n"],
  [405, "PUT", json],
] as const;
const sizes = [1_100_000, 2_200_000, 20_000_000] as const;
const cases = refusals.flatMap((refusal) => sizes.map((size) => [...refusal, size] as const));

describe("an upload that is refused, by a client that wants the connection closed and reads when it has sent all", () => {
  test.each(cases)("gets its %i, and no reset: %s with %j and %i bytes", async (status, method, fields, size) => {
    const { raw } = await startApi();
    const head = `${method} /spawn HTTP/1.1\r\nhost: a\r\nconnection: close\r\n${fields}`;
    const whole = Buffer.concat([Buffer.from(`${head}content-length: ${size}\r\n\r\n`), Buffer.alloc(size)]);
    for (let round = 0; round < 3; round += 1) {
      const answer = await raw(whole);
      expect(errorIn(answer).status).toBe(status);
      expect(answer).toMatch(/\r\nconnection: close\r\n/i);
    }
  });

  test("gets it where the body comes in chunks", async () => {
    const { raw } = await startApi();
    const head = `POST /spawn HTTP/1.1\r\nhost: a\r\nconnection: close\r\n${json}transfer-encoding: chunked\r\n\r\n`;
    const chunk = `10000\r\n${"x".repeat(0x1_00_00)}\r\n`;
    expect(errorIn(await raw(`${head}${chunk.repeat(300)}0\r\n\r\n`)).status).toBe(413);
  });
});

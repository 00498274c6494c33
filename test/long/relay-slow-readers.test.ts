import { expect, test } from "vitest";
import { bytesEachMax, measureSlowReaders } from "../support/slow-readers.ts";

test("200 clients that never read 100 MB each cost what the buffers between them may hold", {
  timeout: 300_000,
}, async () => {
  const { bytesEach, sentBytes, readBytes } = await measureSlowReaders({ clients: 200, answerBytes: 100_000_000 });
  console.log(`200 slow readers: ${Math.round(bytesEach / 1024)} KiB each`);
  expect(sentBytes).toBeLessThan(200 * 100_000_000);
  expect(bytesEach).toBeLessThan(bytesEachMax);
  expect(readBytes).toBe(100_000_000);
});

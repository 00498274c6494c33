import { expect, it } from "vitest";
import { bytesEachMax, measureSlowReaders } from "../support/slow-readers.ts";

it("20 clients that never read 20 MB each cost what the buffers between them may hold", async () => {
  const { bytesEach, sentBytes, readBytes } = await measureSlowReaders({ clients: 20, answerBytes: 20_000_000 });
  console.log(`20 slow readers: ${Math.round(bytesEach / 1024)} KiB each`);
  expect(sentBytes).toBeLessThan(20 * 20_000_000);
  expect(bytesEach).toBeLessThan(bytesEachMax);
  expect(readBytes).toBe(20_000_000);
});

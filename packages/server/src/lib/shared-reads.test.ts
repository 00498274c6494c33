import { expect, test } from "vitest";
import { SharedReads } from "./shared-reads.ts";

function setUp() {
  const reads = new SharedReads<number>();
  const begun: PromiseWithResolvers<number>[] = [];
  const read = (key = "a") =>
    reads.read(key, () => {
      const reading = Promise.withResolvers<number>();
      begun.push(reading);
      return reading.promise;
    });
  return { begun, read };
}

test("who asks while a read is under way gets the next one, all of them the same", async () => {
  const { begun, read } = setUp();
  const first = read();
  const crowd = Array.from({ length: 100 }, () => read());
  expect(begun).toHaveLength(1);
  begun[0]?.resolve(1);
  expect(await first).toBe(1);
  await Promise.resolve();
  expect(begun).toHaveLength(2);
  begun[1]?.resolve(2);
  expect(new Set(await Promise.all(crowd))).toEqual(new Set([2]));
  void read();
  expect(begun).toHaveLength(3);
});

test("one that fails fails those who share it, and no other", async () => {
  const { begun, read } = setUp();
  const first = read();
  const second = read();
  begun[0]?.reject(new Error("away"));
  await expect(first).rejects.toThrow("away");
  await Promise.resolve();
  begun[1]?.resolve(2);
  expect(await second).toBe(2);
});

test("different keys do not wait for each other", () => {
  const { begun, read } = setUp();
  void read("a");
  void read("b");
  expect(begun).toHaveLength(2);
});

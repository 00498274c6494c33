import { once } from "node:events";
import { appendFileSync, closeSync, mkdtempSync, readdirSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { expect, onTestFinished, test, vi } from "vitest";
import { systemClock } from "../../lib/clock.ts";
import { lastLines } from "../../lib/last-lines.ts";
import { OutputFiles } from "./output-files.ts";
import { readOutput } from "./read-output.ts";

function makeOutput(bytesMax: number) {
  const stateDir = mkdtempSync(join(tmpdir(), "spawner-output-"));
  onTestFinished(() => rmSync(stateDir, { recursive: true, force: true }));
  const output = new OutputFiles(stateDir, { bytesMax });
  const file = output.openForAppend("u");
  onTestFinished(() => closeSync(file));
  const read = (tailLines?: number) =>
    text(
      readOutput(
        { clock: systemClock, output, uid: "u", isOver: () => true },
        tailLines === undefined ? {} : { tailLines },
      ),
    );
  return { stateDir, output, write: (words: string) => writeSync(file, words), read };
}

test("what is over the limit goes, the oldest first, and the program writes on", async () => {
  const { stateDir, output, write, read } = makeOutput(20);
  write("0123456789");
  expect(output.limit("u")).toBe(false);
  write("abc");
  expect(output.limit("u")).toBe(true);
  expect(await read()).toBe("3456789abc");
  write("defghij");
  expect(await read()).toBe("3456789abcdefghij");
  expect(output.extent("u")).toEqual({ start: 3, end: 20 });
  write("klmnopq");
  expect(output.limit("u")).toBe(true);
  expect(await read()).toBe("hijklmnopq");
  expect(readdirSync(join(stateDir, "output"))).toHaveLength(2);
  expect(statSync(join(stateDir, "output", "u.older.log")).mode & 0o777).toBe(0o600);
});

test("after a restart everything that was kept is found again", async () => {
  const { stateDir, output, write } = makeOutput(8);
  write("abcdef\n");
  output.limit("u");
  write("gh\n");
  const again = new OutputFiles(stateDir, { bytesMax: 8 });
  expect(again.readTail("u", 100).toString()).toBe("def\ngh\n");
  expect(again.extent("u")).toEqual({ start: 0, end: 7 });
});

test("a reader that the limit has overtaken goes on with what is kept", async () => {
  const { output, write } = makeOutput(8);
  write("abcd");
  const parts = readOutput({ clock: systemClock, output, uid: "u", isOver: () => true }, { follow: true });
  expect(String((await parts.next()).value)).toBe("abcd");
  write("efghijkl");
  output.limit("u");
  write("m");
  expect(await text(parts)).toBe("ijklm");
});

test("what is written while somebody follows is read as it comes", async () => {
  const { output, write } = makeOutput(1024);
  let over = false;
  const parts = readOutput({ clock: systemClock, output, uid: "u", isOver: () => over }, { follow: true });
  const first = parts.next();
  write("one\n");
  expect(String((await first).value)).toBe("one\n");
  write("two\n");
  over = true;
  expect(await text(parts)).toBe("two\n");
});

test("any number of last lines is the same, wherever the two files meet", async () => {
  const line = fc.stringMatching(/^[aé]{0,4}$/);
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 8 }), fc.nat(9), fc.nat(8), async (lines, count, limitAfter) => {
      const { output, write, read } = makeOutput(16);
      lines.forEach((words, index) => {
        write(`${words}\n`);
        if (index === limitAfter) output.limit("u");
      });
      expect(await read(count)).toBe(lastLines(output.readTail("u", 1_000), count).toString());
    }),
    { numRuns: 50 },
  );
});

test("the last lines of a long output are found over many parts", async () => {
  const { write, read } = makeOutput(1024 * 1024);
  const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index}\n`);
  write(lines.join(""));
  expect(await read(15_000)).toBe(lines.slice(5_000).join(""));
});

test("files of nobody are removed, those of others stay", () => {
  const { stateDir, output } = makeOutput(100);
  for (const name of ["lost.log", "lost.older.log", "kept.log"]) appendFileSync(join(stateDir, "output", name), "x");
  output.removeAllBut(new Set(["kept", "u"]));
  expect(readdirSync(join(stateDir, "output"))).toEqual(["kept.log", "u.log"]);
});

test("next to nothing is lost of what a program writes while its output is cut", async () => {
  const { stateDir, output, write } = makeOutput(32 * 1024 * 1024);
  const counters = new Int32Array(new SharedArrayBuffer(8));
  const path = join(stateDir, "output", "u.log");
  // It writes byte by byte, as fast as it can, until the second counter is set.
  const writer = new Worker(
    `const { workerData: { path, counters } } = require("node:worker_threads");
     const { openSync, writeSync } = require("node:fs");
     const file = openSync(path, "a");
     while (Atomics.load(counters, 1) === 0) Atomics.add(counters, 0, writeSync(file, "."));`,
    { eval: true, workerData: { path, counters } },
  );
  await vi.waitFor(() => expect(counters[0]).toBeGreaterThan(0), { timeout: 5_000, interval: 1 });
  const filling = "x".repeat(17 * 1024 * 1024);
  for (let round = 0; round < 8; round++) {
    write(filling);
    expect(output.limit("u")).toBe(true);
  }
  Atomics.store(counters, 1, 1);
  await once(writer, "exit");
  const writtenMeanwhile = counters[0] ?? 0;
  const lost = 8 * filling.length + writtenMeanwhile - output.extent("u").end;
  // Nearly all that it wrote it wrote while something was copied: half of it would be lost if nobody looked again.
  expect(lost).toBeLessThan(writtenMeanwhile / 5);
});

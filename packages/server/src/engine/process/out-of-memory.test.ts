import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { FakeClock } from "../../lib/fake-clock.ts";
import { describeExit } from "./describe.ts";
import { OutOfMemoryKills } from "./out-of-memory.ts";

/** A kernel that has killed this many so far. */
function makeKernel(killed: number) {
  const folder = mkdtempSync(join(tmpdir(), "spawner-vmstat-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "vmstat");
  const count = (oomKill: number) => writeFileSync(path, `nr_free_pages 1\noom_kill ${oomKill}\nnr_dirty 7\n`);
  count(killed);
  return { path, count };
}

test("a kill counts for a moment, and not those before the program or long ago", () => {
  const kernel = makeKernel(5);
  const clock = new FakeClock();
  const kills = new OutOfMemoryKills(clock, kernel.path);
  kills.add("a");
  clock.advance(10_000);
  expect(kills.haveJustRisen()).toBe(false);
  kernel.count(6);
  expect(kills.haveJustRisen()).toBe(true);
  clock.advance(1_000);
  expect(kills.haveJustRisen()).toBe(true);
  clock.advance(1_000);
  expect(kills.haveJustRisen()).toBe(false);
});

test("what was killed while nothing ran is no matter of the next program", () => {
  const kernel = makeKernel(0);
  const clock = new FakeClock();
  const kills = new OutOfMemoryKills(clock, kernel.path);
  kills.add("a");
  kills.remove("a");
  kernel.count(1);
  clock.advance(60_000);
  kills.add("b");
  expect(kills.haveJustRisen()).toBe(false);
});

test("where the kernel does not count there are none", () => {
  const kills = new OutOfMemoryKills(new FakeClock(), "/no/such/file");
  kills.add("a");
  expect(kills.haveJustRisen()).toBe(false);
});

const lackOfMemory = "The program was killed by the kernel, for lack of memory. Its last output:\nloading";

test.each([
  ["SIGKILL with a kill", { code: null, signal: "SIGKILL", outOfMemory: true }, "OutOfMemory", lackOfMemory],
  ["a shell's word for it with a kill", { code: 137, signal: null, outOfMemory: true }, "OutOfMemory", lackOfMemory],
  ["SIGKILL without", { code: null, signal: "SIGKILL", outOfMemory: false }, "Crashed", /was ended by SIGKILL/],
  ["another end with a kill", { code: 1, signal: null, outOfMemory: true }, "Crashed", /exited with code 1/],
  ["success with a kill", { code: 0, signal: null, outOfMemory: true }, "Exited", /exited with code 0/],
])("the end of a program by %s", (_, exit, reason, message) => {
  const end = describeExit({ leftOthers: false, at: new Date(0), ...exit }, "loading\n");
  expect(end.reason).toBe(reason);
  expect(end.message).toMatch(message);
});

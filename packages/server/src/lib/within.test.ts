import { expect, test } from "vitest";
import { FakeClock } from "./fake-clock.ts";
import { within } from "./within.ts";

test("work that is done in time is what it comes to, be it a failure", async () => {
  const clock = new FakeClock();
  expect(await within(Promise.resolve("done"), { clock, mostMs: 1_000, what: "work" })).toBe("done");
  const failing = within(Promise.reject(new Error("failed")), { clock, mostMs: 1_000, what: "work" });
  await expect(failing).rejects.toThrow("failed");
});

test("work that takes longer is a failure, whatever becomes of it later", async () => {
  const clock = new FakeClock();
  for (const later of ["done", "failed"]) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waited = within(promise, { clock, mostMs: 1_000, what: "work" });
    clock.advance(1_000);
    await expect(waited).rejects.toThrow("work took more than 1 s");
    if (later === "done") resolve();
    else reject(new Error("nobody waits for this"));
    await new Promise(setImmediate);
  }
});

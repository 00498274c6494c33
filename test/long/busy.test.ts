import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test, vi } from "vitest";
import { temporaryFolder } from "../support/dev.ts";
import { startEmbedded } from "../support/embedded.ts";
import { startServed } from "../support/served.ts";

const program = fileURLToPath(new URL("../support/program.mjs", import.meta.url));

test("a lifetime ends a session though its program is busy", async () => {
  const spawner = await startEmbedded({ gracePeriodSeconds: 1 });
  const { name, url } = await spawner.spawn({ lifetimeSeconds: 10 });
  expect(await (await fetch(`${url}busy?seconds=600`)).text()).toBe("200");
  expect(await spawner.until(name, "Swept")).toMatchObject({ reason: "LifetimeExceeded" });
});

test("programs that outlive their server are heard by the next one, which has forgotten what they said before", async () => {
  const options = { stateDir: temporaryFolder(), command: [process.execPath, program], flags: ["--grace-period", "2"] };
  const first = await startServed(options);
  onTestFinished(() => first.close("SIGKILL"));
  const [silent, heard] = [await first.spawn(), await first.spawn()];
  for (const id of [silent, heard]) expect(await (await first.ask(`/${id}/busy?seconds=600`)).text()).toBe("200");
  await first.close("SIGKILL");

  const next = await startServed(options);
  onTestFinished(async () => {
    next.killSessions();
    await next.close();
  });
  expect(await (await next.ask(`/${heard}/busy?seconds=600`)).text()).toBe("200");
  await vi.waitFor(async () => expect(await next.view(silent)).toMatchObject({ state: "Swept", reason: "Idle" }), {
    timeout: 20_000,
    interval: 100,
  });
  expect(await next.view(heard)).toMatchObject({ state: "Ready" });
});

import { expect, test } from "vitest";
import { startEmbedded } from "../support/embedded.ts";

async function textOf(url: string): Promise<string> {
  return (await fetch(url)).text();
}

test("a session whose program is busy outlives its grace period, has a whole one behind it, and ends when it is asked to", async () => {
  const spawner = await startEmbedded({ gracePeriodSeconds: 1 });
  const [working, died] = [await spawner.spawn(), await spawner.spawn()];
  const [stopped, held] = [await spawner.spawn(), await spawner.spawn()];
  const sessions = [working, died, stopped, held];
  await Promise.all(sessions.map(({ name }) => spawner.until(name, "Ready")));
  const begunAt = Date.now();
  expect(await textOf(`${working.url}job?seconds=2`)).toBe("begun");
  // Its program says nothing more: it may be in an endless loop.
  expect(await textOf(`${died.url}busy?seconds=2`)).toBe("200");
  for (const { url } of [stopped, held]) expect(await textOf(`${url}busy?seconds=600`)).toBe("200");
  await spawner.stop(stopped.name);
  expect(await spawner.until(stopped.name, "Swept")).toMatchObject({ reason: "Requested" });

  for (const { name } of [working, died]) {
    const { reason, time } = await spawner.until(name, "Swept");
    expect(reason).toBe("Idle");
    expect(Date.parse(time) - begunAt).toBeGreaterThan(2_900);
  }
  expect((await spawner.backend(held.name)).state).toBe("Ready");
});

test("programs have a token each, which says nothing of another's", async () => {
  const spawner = await startEmbedded();
  const environments = await Promise.all(
    [1, 2].map(async () => {
      const { url } = await spawner.spawn();
      return ((await (await fetch(`${url}echo`)).json()) as { env: Record<string, string> }).env;
    }),
  );
  const [one, two] = environments.map(({ SPAWNER_CONTROL_TOKEN: token }) => token);
  expect(one).toMatch(/^[0-9a-f]{64}$/);
  expect(one).not.toBe(two);
  expect(environments[0]?.SPAWNER_CONTROL_URL).toBe(environments[1]?.SPAWNER_CONTROL_URL);
});

import { expect, test } from "vitest";
import { startEmbedded } from "../support/embedded.ts";

async function textOf(url: string): Promise<string> {
  return (await fetch(url)).text();
}

test("a session whose program is busy outlives its grace period, and has a whole one behind it", async () => {
  const spawner = await startEmbedded({ gracePeriodSeconds: 1 });
  const working = await spawner.spawn();
  const died = await spawner.spawn();
  const left = await spawner.spawn();
  const stopped = await spawner.spawn();
  const short = await spawner.spawn({ lifetimeSeconds: 2 });
  const sessions = [working, died, left, stopped, short];
  await Promise.all(sessions.map(({ name }) => spawner.until(name, "Ready")));
  const begunAt = Date.now();
  expect(await textOf(`${working.url}job?seconds=2`)).toBe("begun");
  // Its program says nothing more: it may be in an endless loop.
  expect(await textOf(`${died.url}busy?seconds=2`)).toBe("200");
  for (const { url } of [stopped, short]) expect(await textOf(`${url}busy?seconds=600`)).toBe("200");
  await textOf(left.url);
  await spawner.stop(stopped.name);

  const ends = await Promise.all(sessions.map(({ name }) => spawner.until(name, "Swept")));
  expect(ends.map(({ reason }) => reason)).toEqual(["Idle", "Idle", "Idle", "Requested", "LifetimeExceeded"]);
  const [workingMs = 0, diedMs = 0, leftMs = 0] = ends.map(({ time }) => Date.parse(time) - begunAt);
  expect(leftMs).toBeLessThan(2_500);
  for (const ms of [workingMs, diedMs]) {
    expect(ms).toBeGreaterThan(2_900);
    expect(ms).toBeLessThan(5_000);
  }
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

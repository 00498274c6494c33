import { expect, test } from "vitest";
import { SpawnerError } from "../core/errors.ts";
import type { Backend } from "../core/resource.ts";
import type { BackendChange, BackendStore } from "../engine/index.ts";
import { FakeClock } from "../lib/fake-clock.ts";
import { Directory } from "./directory.ts";

function makeBackend(resourceVersion: string): Backend {
  const metadata = { name: "b", uid: "u", resourceVersion, creationTimestamp: "2026-01-01T00:00:00Z", labels: {} };
  return { metadata, spec: { template: { containers: [{}] } }, status: {} };
}

/** A directory, and what tells it of changes. */
function openDirectory({ stored }: { stored?: Backend | SpawnerError } = {}) {
  const clock = new FakeClock();
  let tell: (change: BackendChange) => void = () => {};
  const store = {
    async get() {
      if (stored instanceof Error) throw stored;
      return stored;
    },
    watch(onChange: (change: BackendChange) => void) {
      tell = onChange;
      return () => {};
    },
  } satisfies Partial<BackendStore>;
  const directory = new Directory(store as unknown as BackendStore, { clock, waitingMax: 10 });
  const wait = (seen: Backend) =>
    directory.waitForChange("b", { seen, waitMs: 1_000, signal: new AbortController().signal });
  return { clock, directory, wait, changed: (backend: Backend) => tell({ kind: "changed", backend }) };
}

test("a change that comes between looking and waiting is not missed", async () => {
  const { wait, changed } = openDirectory();
  const seen = makeBackend("1");
  changed(seen);
  changed(makeBackend("2"));
  expect(await wait(seen)).toBe("changed");
});

test("a backend that the store has and the watch has not told of yet is waited for", async () => {
  const { clock, directory, wait, changed } = openDirectory({ stored: makeBackend("1") });
  const seen = await directory.find("b", { fresh: false });
  const told = wait(seen ?? expect.unreachable());
  changed(makeBackend("2"));
  expect(await told).toBe("changed");

  const late = wait(directory.peek("b") ?? expect.unreachable());
  clock.advance(1_000);
  expect(await late).toBe("timeout");
});

test("what is asked for anew comes from the store, and is as last heard where that is away", async () => {
  const here = openDirectory({ stored: makeBackend("2") });
  here.changed(makeBackend("1"));
  expect((await here.directory.find("b", { fresh: false }))?.metadata.resourceVersion).toBe("1");
  expect((await here.directory.find("b", { fresh: true }))?.metadata.resourceVersion).toBe("2");

  const away = openDirectory({ stored: new SpawnerError("unavailable", "away") });
  await expect(away.directory.find("b", { fresh: true })).rejects.toMatchObject({ code: "unavailable" });
  away.changed(makeBackend("1"));
  expect((await away.directory.find("b", { fresh: true }))?.metadata.resourceVersion).toBe("1");
});

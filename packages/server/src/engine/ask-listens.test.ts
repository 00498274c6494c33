import { expect, test } from "vitest";
import { deadlines } from "../core/deadlines.ts";
import type { RelayHost, RelayHostState, RelayHostWatcher } from "../core/relay-host.ts";
import { FakeClock } from "../lib/fake-clock.ts";
import { askListens } from "./ask-listens.ts";

const state: RelayHostState = { ready: true, liveConnections: 0, idleMs: 0, msUntilIdle: undefined, sealed: false };

/** Asks a host that begins to be watched like this. */
function ask(begin: (watcher: RelayHostWatcher) => void) {
  const watchers = new Set<RelayHostWatcher>();
  const host: Pick<RelayHost, "watch"> = {
    watch(watcher) {
      watchers.add(watcher);
      begin(watcher);
      return () => watchers.delete(watcher);
    },
  };
  const clock = new FakeClock();
  return { clock, watchers, answer: askListens(host as RelayHost, { clock }) };
}

test.each([true, false])("the first that a host says counts, also where it says so at once: %s", async (ready) => {
  const { answer, watchers } = ask((watcher) => {
    watcher.onState({ ...state, ready });
    watcher.onState({ ...state, ready: !ready });
  });
  expect(await answer).toBe(ready);
  expect(watchers.size).toBe(0);
});

test("a host that is lost, or silent for the time of a request, says nothing either way", async () => {
  const lost = ask((watcher) => watcher.onLost(new Error("reset")));
  await expect(lost.answer).rejects.toMatchObject({ code: "unavailable", cause: { message: "reset" } });
  const silent = ask(() => {});
  silent.clock.advance(deadlines.relayHostRequestMs);
  await expect(silent.answer).rejects.toMatchObject({ code: "unavailable" });
  expect(silent.watchers.size).toBe(0);
});

import { expect, test, vi } from "vitest";
import type { Backend } from "../core/resource.ts";
import type { BackendChange, Engine } from "../engine/engine.ts";
import { followBackend } from "./follow-backend.ts";
import { StatusHub } from "./status-hub.ts";

const backendOf = (uid: string, resourceVersion = "1"): Backend => ({
  metadata: { name: "b", uid, resourceVersion, creationTimestamp: "2026-01-01T00:00:00Z", labels: {} },
  spec: { template: { containers: [{}] } },
  status: {},
});

/** A store that knows `current`, and a watch that tells when the test says. */
async function follow(current: Backend | undefined, followed: Backend) {
  let tell = (_: BackendChange) => {};
  const store = {
    current,
    get: async () => store.current,
    watch: (onChange: typeof tell) => {
      tell = onChange;
      return () => {};
    },
  };
  const engine = { backends: store } as unknown as Engine;
  const heard: string[] = [];
  const unfollow = followBackend({ engine, hub: new StatusHub(engine.backends) }, followed, {
    onBackend: ({ metadata }) => void heard.push(`${metadata.uid}@${metadata.resourceVersion}`),
    onGone: () => void heard.push("gone"),
  });
  await vi.waitFor(() => expect(heard).toHaveLength(1));
  return { heard, store, unfollow, tell: (change: BackendChange) => tell(change) };
}

test("what a watch tells late of the generation before means nothing to the next one", async () => {
  const { heard, tell } = await follow(backendOf("new"), backendOf("new"));
  tell({ kind: "changed", backend: backendOf("old", "0") });
  tell({ kind: "deleted", backend: backendOf("old", "0") });
  tell({ kind: "changed", backend: backendOf("new", "2") });
  await vi.waitFor(() => expect(heard).toContain("new@2"));
  expect(heard).not.toContain("gone");
});

test("one that has given way to the next is gone, and so is one whose record is deleted", async () => {
  const first = await follow(backendOf("old"), backendOf("old"));
  first.store.current = backendOf("new");
  first.tell({ kind: "changed", backend: backendOf("new") });
  await vi.waitFor(() => expect(first.heard).toEqual(["old@1", "gone"]));

  const second = await follow(backendOf("old"), backendOf("old"));
  second.tell({ kind: "deleted", backend: backendOf("old", "2") });
  expect(second.heard).toEqual(["old@1", "gone"]);
});

test("nothing is told any more when it is not followed", async () => {
  const { heard, tell, unfollow } = await follow(backendOf("a"), backendOf("a"));
  unfollow();
  tell({ kind: "changed", backend: backendOf("a", "2") });
  tell({ kind: "deleted", backend: backendOf("a", "2") });
  expect(heard).toEqual(["a@1"]);
});

import { expect, onTestFinished, test, vi } from "vitest";
import type { RelayHost } from "../core/relay-host.ts";
import { systemClock } from "../lib/clock.ts";
import { startApi } from "./fixture.ts";
import { Obtainer } from "./obtain-backend.ts";
import { StatusHub } from "./status-hub.ts";
import { wantedBackend } from "./wanted-backend.ts";

test("a crowd is held by two requests: who comes while one is under way gets the one behind it", async () => {
  const relayHosts = new Map<string, RelayHost>();
  const { engine } = await startApi({ relayHosts });
  const hub = new StatusHub(engine.backends);
  onTestFinished(() => hub.close());
  const create: typeof engine.backends.create = (draft) => engine.backends.create(draft);
  const obtainer = new Obtainer({ engine, clock: systemClock, hub, create });
  const wanted = wantedBackend({ key: "doc" }, { servicePrefix: "spawner-" });
  const { backend } = await obtainer.obtain(wanted);

  const answers: ((answer: { held: true }) => void)[] = [];
  relayHosts.set(wanted.name, {
    watch: () => () => {},
    seal: () => Promise.reject(new Error("nobody seals here")),
    hold: () => new Promise((resolve) => answers.push(resolve)),
  });
  const crowd = Array.from({ length: 100 }, () => obtainer.obtain(wanted));
  const answerOne = async () => {
    await vi.waitFor(() => expect(answers).toHaveLength(1));
    answers.pop()?.({ held: true });
  };
  await answerOne();
  await answerOne();
  for (const obtained of await Promise.all(crowd)) {
    expect(obtained).toMatchObject({ spawned: false, backend: { metadata: { uid: backend.metadata.uid } } });
  }
  expect(answers).toEqual([]);

  // Nobody is told what was so before he came.
  const late = obtainer.obtain(wanted);
  await answerOne();
  expect(await late).toMatchObject({ spawned: false });
});

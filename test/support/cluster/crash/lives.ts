import type { Backend, BackendSpec } from "../../../../packages/server/src/core/resource.ts";
import type { KubeClient } from "../../../../packages/server/src/engine/kubernetes/index.ts";
import { eventually } from "../eventually.ts";
import { requestStop, sessionSpec } from "../session.ts";

/** A backend's life on a cluster, as its client brings it about. */
export interface Life {
  readonly name: string;
  readonly spec: BackendSpec;
  /** What a client does, once, when it is ready. */
  readonly whenReady: (around: { client: KubeClient; backend: Backend }) => Promise<void>;
  /** How long its record stays after the end: where that is short, the life is over when it is forgotten. */
  readonly retainSeconds: number;
}

const idle: Life = {
  name: "a session that is used, left, swept and forgotten",
  // Once the only client has left there is nothing to wait for.
  spec: sessionSpec("echoes", { gracePeriodSeconds: 0, firstClientSeconds: 600 }),
  // The Event of its end is said of what is there.
  retainSeconds: 3,
  async whenReady({ backend: { status } }) {
    // A node may take ten seconds to see that an address is another Pod's than it was minutes ago (ARP).
    const answer = await eventually(() => {
      const signal = AbortSignal.timeout(2_000);
      return fetch(status.url ?? "", { headers: { connection: "close" }, signal });
    });
    if (answer.status !== 200) throw new Error(`the program answered ${answer.status}`);
  },
};

const stopped: Life = {
  name: "a session that is asked to end",
  spec: sessionSpec("echoes", { gracePeriodSeconds: 600 }),
  retainSeconds: 600,
  whenReady: ({ client, backend }) => requestStop(client, backend.metadata.name),
};

const failing: Life = {
  name: "a program that fails at its start",
  spec: sessionSpec("fails", { gracePeriodSeconds: 600 }),
  retainSeconds: 600,
  whenReady: async () => {
    throw new Error("a program that only fails was ready");
  },
};

export const lives = { idle, stopped, failing };

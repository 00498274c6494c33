import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isAlive } from "../../../packages/server/src/lib/linux-processes.ts";
import type { Life } from "./life.ts";

const program = fileURLToPath(new URL("program.mjs", import.meta.url));

/** program.mjs with the folder of the life and a behaviour. */
const behaves = (behaviour: string) => (folder: string) => [process.execPath, program, folder, behaviour];

/** Nobody leaves for as long: what ends these lives is something else. */
const inUse = { gracePeriodSeconds: 600 };

const idle: Life = {
  name: "a session that is used, left, swept and forgotten",
  command: behaves("serves"),
  // Once the only client has left there is nothing to wait for.
  request: { gracePeriodSeconds: 0, firstClientSeconds: 600 },
  args: ["--retain", "1"],
  isForgotten: true,
  async whenReady({ url }) {
    const { status } = await fetch(url);
    // After a crash nobody knows that there was no client yet, and it may have been swept before this one comes.
    if (status !== 200 && status !== 410) throw new Error(`the program answered ${status}`);
  },
};

const stopped: Life = {
  name: "a stubborn program that is asked to end while it is in use",
  command: behaves("stubborn"),
  request: { ...inUse, terminationGracePeriodSeconds: 1 },
  async whenReady({ url, stopUrl, signal }) {
    await fetch(`${url}/forever`, { signal });
    await fetch(stopUrl, { method: "DELETE" });
  },
};

const outlived: Life = {
  name: "a session that is in use until its lifetime is over",
  command: behaves("serves"),
  request: { ...inUse, lifetimeSeconds: 10 },
  whenReady: async ({ url, signal }) => void (await fetch(`${url}/forever`, { signal })),
};

const failing: Life = {
  name: "a program that fails at its start",
  command: behaves("fails"),
  request: inUse,
  endsByItself: true,
};

const ending: Life = {
  name: "a program that ends by itself, as it should",
  command: behaves("ends"),
  request: inUse,
  endsByItself: true,
};

const missing: Life = {
  name: "a command that there is not",
  command: () => ["no-such-program-anywhere"],
  request: inUse,
  starts: 0,
};

const moved = (name: string, behaviour: string): Life => ({
  name,
  command: behaves(behaviour),
  request: inUse,
  starts: 2,
  meanwhile: takeItsPort(),
  whenReady: async ({ stopUrl }) => void (await fetch(stopUrl, { method: "DELETE" })),
});

/** A stranger, which listens on the port of the first program that is seen, before it is told to listen itself. */
function takeItsPort(): NonNullable<Life["meanwhile"]> {
  const taken = new Set<string>();
  return async ({ folder, programs, signal }) => {
    const last = programs.findLast((note) => note.kind === "started");
    if (last === undefined || taken.has(folder) || !isAlive(last.pid)) return;
    taken.add(folder);
    const stranger = createServer().listen({ port: last.port, host: "127.0.0.1" });
    await new Promise((resolve, reject) => stranger.once("listening", resolve).once("error", reject));
    signal.addEventListener("abort", () => stranger.close());
    writeFileSync(join(folder, "listen"), "");
  };
}

export const lives = {
  idle,
  stopped,
  outlived,
  failing,
  ending,
  missing,
  movedAlive: moved("a program whose port is taken, and that goes on without", "listens-when-told"),
  movedDead: moved("a program whose port is taken, and that ends for it", "listens-or-ends"),
};

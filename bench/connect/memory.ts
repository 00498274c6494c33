import { spawn } from "node:child_process";
import { once } from "node:events";
import { untilOutput } from "../relay/processes.ts";
import { collectGarbage } from "../support/garbage.ts";
import { megabytesOf } from "../support/remains.ts";
import { runCallers } from "./callers.ts";

/** What a server holds at one moment, its garbage collected. */
export interface Held {
  readonly heapMB: number;
  readonly residentMB: number;
}

export interface GrowthOptions {
  /** The arguments of Node that start it. */
  readonly args: readonly string[];
  /** Of its first line of output, with its port. */
  readonly address: RegExp;
  readonly connects: number;
  body(caller: number, request: number): string;
}

/** What a server holds once it has answered some connects, and after `connects` more. */
export async function measureGrowth(options: GrowthOptions): Promise<{ before: Held; after: Held }> {
  const { args, address, connects, body } = options;
  const server = spawn(process.execPath, ["--inspect=127.0.0.1:0", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  server.stderr.on("data", (text) => {
    said += text;
  });
  try {
    const port = Number((await untilOutput(server, address))[1]);
    const [, inspectorUrl = ""] = /^Debugger listening on (ws:.*)$/m.exec(said) ?? [];
    const held = async (): Promise<Held> => {
      await collectGarbage(inspectorUrl);
      const metrics = await (await fetch(`http://127.0.0.1:${port}/api/metrics`)).text();
      const heapBytes = Number(/^nodejs_heap_size_used_bytes ([0-9.e+]+)$/m.exec(metrics)?.[1]);
      return { heapMB: heapBytes / 2 ** 20, residentMB: megabytesOf(server.pid ?? Number.NaN, "Rss") };
    };
    const ask = async (count: number) => {
      for (let asked = 0; asked < count; ) {
        const { tookMs } = await runCallers({ port, callers: 10, forMs: 500, body });
        asked += tookMs.length;
      }
    };
    await ask(5_000); // what is compiled and remembered on first use
    const before = await held();
    await ask(connects);
    return { before, after: await held() };
  } finally {
    server.kill("SIGINT"); // ends the programs too
    await once(server, "exit");
  }
}

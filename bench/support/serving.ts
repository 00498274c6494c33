import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

/** What a server says as a matter of course: its log below warnings, and Node's words about the inspector. */
const quiet = /^\{.*"level":[123]0|^Debugger |^For help, see/;

/** Where a server is. */
export interface Serving {
  readonly url: string;
  /** Of a server that was started with --inspect; "" of others. */
  readonly inspectorUrl: string;
}

/**
 * Resolves when a `spawner serve`, whose stderr is a pipe, logs that it serves; shows its warnings, then and later. Rejects
 * where it ends before.
 */
export function untilServing(server: ChildProcess): Promise<Serving> {
  return new Promise((resolve, reject) => {
    server.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
    let inspectorUrl = "";
    createInterface({ input: server.stderr as Readable }).on("line", (line) => {
      inspectorUrl ||= /^Debugger listening on (ws:.*)$/.exec(line)?.[1] ?? "";
      const [, url] = /"url":"([^"]+)".*"serving"/.exec(line) ?? [];
      if (url !== undefined) resolve({ url, inspectorUrl });
      if (!quiet.test(line)) console.error(line);
    });
  });
}

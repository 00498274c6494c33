import { createHash, createHmac, randomBytes } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BusyHost } from "../core/relay-host.ts";
import type { Log } from "../lib/log.ts";
import { openProgramServer } from "../sidecar/index.ts";

const loopback = "127.0.0.1";

/** What programs have in their environment, and a server that comes after this one has to know as well. */
interface Recorded {
  readonly port: number;
  /** What the programs' tokens are made from. */
  readonly key: string;
}

/**
 * Where the programs of this machine say that they are busy: one port of the loopback address, and a token for each. A program
 * outlives the server that has started it: the next one listens on the same port, where that is free, and knows the same tokens.
 */
export class ProgramControl {
  readonly #path: string;
  readonly #log: Log;
  readonly #recorded: Recorded | undefined;
  readonly #key: string;
  /** By the SHA-256 of their programs' tokens. */
  readonly #hosts = new Map<string, BusyHost>();
  #server: Awaited<ReturnType<typeof openProgramServer>> | undefined;

  private constructor(stateDir: string, log: Log) {
    this.#path = join(stateDir, "program-control");
    this.#log = log;
    this.#recorded = readRecord(this.#path);
    this.#key = this.#recorded?.key ?? randomBytes(32).toString("hex");
  }

  /** Listens, and writes nothing: the folder may be another server's. Rejects where there is no port to be had. */
  static async open(stateDir: string, { log }: { log: Log }): Promise<ProgramControl> {
    const control = new ProgramControl(stateDir, log);
    control.#server = await control.#listen(control.#recorded?.port ?? 0);
    return control;
  }

  /** Has the next server of this folder, which is ours, find what programs are told from now on. */
  record(): void {
    const record: Recorded = { port: this.#port, key: this.#key };
    if (this.#recorded?.port === record.port) return;
    try {
      writeFileSync(`${this.#path}.new`, JSON.stringify(record), { mode: 0o600 });
      renameSync(`${this.#path}.new`, this.#path);
    } catch (error) {
      // Sessions do without: programs that outlive this server are not heard by the next one, when they say that they are busy.
      this.#log.error({ file: this.#path, err: error }, "the port of the programs cannot be recorded");
    }
  }

  /** What the program of a backend, by its identity, is to have in its environment. It can be heard until `forget`. */
  add(identity: string, host: BusyHost): Readonly<Record<string, string>> {
    const token = this.#tokenOf(identity);
    this.#hosts.set(sha256Of(token), host);
    return { SPAWNER_CONTROL_URL: `http://${loopback}:${this.#port}`, SPAWNER_CONTROL_TOKEN: token };
  }

  forget(identity: string): void {
    this.#hosts.delete(sha256Of(this.#tokenOf(identity)));
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  get #port(): number {
    if (this.#server === undefined) throw new Error("the programs' port was not opened");
    return this.#server.port;
  }

  async #listen(port: number) {
    try {
      return await openProgramServer({ host: loopback, port }, this.#hosts);
    } catch (error) {
      if (port === 0 || (error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
      return openProgramServer({ host: loopback, port: 0 }, this.#hosts);
    }
  }

  #tokenOf(identity: string): string {
    return createHmac("sha256", this.#key).update(identity).digest("hex");
  }
}

/** Undefined where there is none, or none that makes sense: it is made anew then. */
function readRecord(path: string): Recorded | undefined {
  try {
    const { port, key } = JSON.parse(readFileSync(path, "utf8")) as Partial<Recorded>;
    return Number.isInteger(port) && typeof key === "string" && port !== undefined ? { port, key } : undefined;
  } catch {
    return undefined;
  }
}

function sha256Of(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

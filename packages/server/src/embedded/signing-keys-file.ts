import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatSigningKeys, makeSigningKey, parseSigningKeys, type SigningKey } from "../core/signing-keys.ts";
import type { Clock } from "../lib/clock.ts";
import { fileLookMs, fileVersion } from "../lib/file-version.ts";
import type { Log } from "../lib/log.ts";

/** The signing keys of a state folder, one a line: looked at again when they are used, so that they rotate without a restart. */
export class SigningKeysFile {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Log;
  #keys: readonly SigningKey[];
  /** Which file was read last; undefined where it could not be. */
  #version: string | undefined;
  #lookedAtMs: number;

  /** Makes the file where there is none, readable by its owner alone. Throws where it cannot be read or made, or holds no key. */
  constructor(stateDir: string, { clock, log }: { clock: Clock; log: Log }) {
    this.#path = join(stateDir, "signing-keys");
    this.#clock = clock;
    this.#log = log;
    try {
      writeFileSync(this.#path, formatSigningKeys([makeSigningKey(clock.now())]), { mode: 0o600, flag: "wx" });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    this.#version = this.#readVersion();
    this.#keys = this.#read();
    this.#lookedAtMs = clock.monotonicMs();
  }

  /** As they are now; what cannot be read, or holds none, leaves those that were. */
  keys(): readonly SigningKey[] {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#lookedAtMs < fileLookMs) return this.#keys;
    this.#lookedAtMs = nowMs;
    let version: string | undefined;
    try {
      version = this.#readVersion();
      if (version === this.#version) return this.#keys;
      this.#keys = this.#read();
      this.#log.info({ file: this.#path, keys: this.#keys.map(({ id }) => id) }, "signing keys read");
      this.#version = version;
    } catch (error) {
      if (version === this.#version) return this.#keys; // said already
      this.#version = version;
      this.#log.error({ file: this.#path, err: error }, "signing keys cannot be read: those from before go on");
    }
    return this.#keys;
  }

  #read(): SigningKey[] {
    const keys = parseSigningKeys(readFileSync(this.#path, "utf8"));
    if (keys.length === 0) throw new Error(`${this.#path} holds no key; remove it, and another one is made`);
    return keys;
  }

  #readVersion(): string {
    return fileVersion(statSync(this.#path, { bigint: true }));
  }
}

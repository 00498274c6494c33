import { randomBytes } from "node:crypto";
import { deadlines } from "../../core/deadlines.ts";
import { isSpawnerError } from "../../core/errors.ts";
import { formatSigningKeys, makeSigningKey, parseSigningKeys, type SigningKey } from "../../core/signing-keys.ts";
import { Backoff } from "../../lib/backoff.ts";
import type { Clock, Timer } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { troubleOf } from "../trouble.ts";
import { Informer } from "./informer.ts";
import { isKubeError, type KubeClient } from "./kube-client.ts";
import type { KubeObject } from "./objects.ts";

/** Name of the Secret that the roles of a namespace share. */
export const keysSecretName = "spawner-keys";
const controlKeyField = "control-key";
const signingKeysField = "signing-keys";
/** Twice what an attacker could ever try (RFC 2104 3: at least the length of the hash). */
const keyBytes = 32;

interface Secret extends KubeObject {
  /** Base64. */
  readonly data?: Readonly<Record<string, string>>;
}

/** What is kept of the Secret. */
interface Keys extends KubeObject {
  readonly controlKey: string | undefined;
  readonly signingKeys: readonly SigningKey[] | undefined;
  /** Whether there is such a field, whatever is in it. */
  readonly hasSigningKeys: boolean;
}

export interface KeysSecretOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Log;
  /** `ensure`: makes the Secret where there is none, and adds a field that one of before lacks. What is there is never written over. */
  readonly how: "read" | "ensure";
}

/** The control key as a Secret's data has it; undefined where there is none that could be one. */
export function controlKeyOf({ data = {} }: Pick<Secret, "data">): string | undefined {
  const key = Buffer.from(data[controlKeyField] ?? "", "base64").toString("utf8");
  return key.length >= keyBytes ? key : undefined;
}

/** The signing keys as a Secret's data has them; undefined where there are none that could be some. */
export function signingKeysOf({ data = {} }: Pick<Secret, "data">): readonly SigningKey[] | undefined {
  try {
    const keys = parseSigningKeys(Buffer.from(data[signingKeysField] ?? "", "base64").toString("utf8"));
    return keys.length > 0 ? keys : undefined;
  } catch (error) {
    if (isSpawnerError(error)) return undefined;
    throw error;
  }
}

/** The keys that the roles share, as they are now: a change of the Secret is seen at once. */
export class KeysSecret {
  readonly #options: KeysSecretOptions;
  readonly #informer: Informer<Keys>;
  readonly #backoff = new Backoff({ firstMs: deadlines.reconcileRetryFirstMs, mostMs: deadlines.reconcileRetryMostMs });
  readonly #unwatch: () => void;
  #controlKey: string | undefined;
  #signingKeys: readonly SigningKey[] = [];
  #retry: Timer | undefined;
  #isMaking = false;
  #closed = false;

  constructor(options: KeysSecretOptions) {
    const { client, clock, log } = options;
    this.#options = options;
    this.#informer = new Informer<Keys>({
      client,
      clock,
      log,
      path: `/api/v1/namespaces/${client.namespace}/secrets`,
      query: { fieldSelector: `metadata.name=${keysSecretName}` },
      what: "secrets",
      keep: (secret: Secret) => ({
        metadata: secret.metadata,
        controlKey: controlKeyOf(secret),
        signingKeys: signingKeysOf(secret),
        hasSigningKeys: secret.data?.[signingKeysField] !== undefined,
      }),
    });
    this.#unwatch = this.#informer.watch((change) => {
      if (change.kind === "changed") this.#read(change.item);
      this.#ensure();
    });
  }

  /** Whether it is known what there is, or that there is none. */
  get hasSynced(): boolean {
    return this.#informer.hasSynced;
  }

  /** As last read; where the Secret is gone or spoilt meanwhile, what it was. */
  controlKey(): string | undefined {
    return this.#controlKey;
  }

  /** What connection tokens are signed and verified with, as last read. */
  signingKeys(): readonly SigningKey[] {
    return this.#signingKeys;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#unwatch();
    this.#retry?.cancel();
    await this.#informer.close();
  }

  #read({ controlKey, signingKeys, hasSigningKeys }: Keys): void {
    this.#controlKey = controlKey ?? this.#controlKey;
    this.#signingKeys = signingKeys ?? this.#signingKeys;
    if (controlKey === undefined) this.#complain(`${controlKeyField} must have at least ${keyBytes} characters`);
    if (signingKeys === undefined && hasSigningKeys)
      this.#complain(`${signingKeysField} must have ID:SECRET in each line`);
  }

  #complain(need: string): void {
    this.#options.log.error({ secret: keysSecretName, problem: `its field ${need}` }, "the Secret cannot be used");
  }

  /** One that was deleted comes again as it was: what runs knows the key that it was started with. */
  #ensure(): void {
    if (this.#options.how === "read" || this.#isMaking || this.#closed) return;
    const secret = this.#informer.get(keysSecretName);
    if (!this.#informer.hasSynced || secret?.hasSigningKeys) return;
    this.#isMaking = true;
    void this.#write(secret).finally(() => {
      this.#isMaking = false;
    });
  }

  async #write(secret: Keys | undefined): Promise<void> {
    const { clock, log } = this.#options;
    try {
      if (secret === undefined) await this.#make();
      else await this.#addSigningKeys(secret);
      log.info({ secret: keysSecretName }, secret === undefined ? "the Secret was made" : "the Secret was completed");
      this.#backoff.reset();
    } catch (error) {
      // Another controller's, of which the informer tells; unless it is gone again before that.
      const isMadeByAnother = isKubeError(error, "AlreadyExists", "Conflict", "NotFound");
      if (!isMadeByAnother)
        log.warn(
          { secret: keysSecretName, ...troubleOf(error) },
          "the Secret could not be written, will be tried again",
        );
      this.#retry = clock.after(this.#backoff.next(), () => this.#ensure());
    }
  }

  async #make(): Promise<void> {
    const { client } = this.#options;
    const controlKey = this.#controlKey ?? randomBytes(keyBytes).toString("base64url");
    await client.json({
      method: "POST",
      path: `/api/v1/namespaces/${client.namespace}/secrets`,
      body: {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: keysSecretName, labels: { "app.kubernetes.io/managed-by": "spawner" } },
        stringData: { [controlKeyField]: controlKey, ...this.#signingKeysData() },
      },
    });
  }

  /** In the version that lacks them: nobody's are written over. */
  async #addSigningKeys({ metadata: { resourceVersion } }: Keys): Promise<void> {
    const { client } = this.#options;
    await client.json({
      method: "PATCH",
      path: `/api/v1/namespaces/${client.namespace}/secrets/${keysSecretName}`,
      body: { metadata: { resourceVersion }, stringData: this.#signingKeysData() },
    });
  }

  #signingKeysData(): Record<string, string> {
    const keys = this.#signingKeys.length > 0 ? this.#signingKeys : [makeSigningKey(this.#options.clock.now())];
    return { [signingKeysField]: formatSigningKeys(keys) };
  }
}

import { randomBytes } from "node:crypto";
import { deadlines } from "../../core/deadlines.ts";
import { Backoff } from "../../lib/backoff.ts";
import type { Clock, Timer } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { Informer } from "./informer.ts";
import { isKubeError, type KubeClient } from "./kube-client.ts";
import type { KubeObject } from "./objects.ts";

/** Name of the Secret that the roles of a namespace share. */
export const keysSecretName = "spawner-keys";
const controlKeyField = "control-key";
/** Twice what an attacker could ever try (RFC 2104 3: at least the length of the hash). */
const keyBytes = 32;

interface Secret extends KubeObject {
  /** Base64. */
  readonly data?: Readonly<Record<string, string>>;
}

/** What is kept of the Secret. */
interface Keys extends KubeObject {
  readonly controlKey: string | undefined;
}

export interface KeysSecretOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Log;
  /** `ensure`: makes the Secret where there is none. One that is there is never written to. */
  readonly how: "read" | "ensure";
}

/** The control key as a Secret's data has it; undefined where there is none that could be one. */
export function controlKeyOf({ data = {} }: Pick<Secret, "data">): string | undefined {
  const key = Buffer.from(data[controlKeyField] ?? "", "base64").toString("utf8");
  return key.length >= keyBytes ? key : undefined;
}

/** The keys that the roles share, as they are now: a change of the Secret is seen at once. */
export class KeysSecret {
  readonly #options: KeysSecretOptions;
  readonly #informer: Informer<Keys>;
  readonly #backoff = new Backoff({ firstMs: deadlines.reconcileRetryFirstMs, mostMs: deadlines.reconcileRetryMostMs });
  readonly #unwatch: () => void;
  #controlKey: string | undefined;
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
      keep: (secret: Secret) => ({ metadata: secret.metadata, controlKey: controlKeyOf(secret) }),
    });
    this.#unwatch = this.#informer.watch((change) => {
      if (change.kind === "changed") this.#read(change.item);
      else this.#ensure();
    });
  }

  /** As last read; where the Secret is gone or spoilt meanwhile, what it was. */
  controlKey(): string | undefined {
    return this.#controlKey;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#unwatch();
    this.#retry?.cancel();
    await this.#informer.close();
  }

  #read({ controlKey }: Keys): void {
    if (controlKey !== undefined) this.#controlKey = controlKey;
    else {
      const problem = `its field ${controlKeyField} must have at least ${keyBytes} characters`;
      this.#options.log.error({ secret: keysSecretName, problem }, "the Secret cannot be used");
    }
  }

  /** One that was deleted comes again as it was: what runs knows the key that it was started with. */
  #ensure(): void {
    if (this.#options.how === "read" || this.#isMaking || this.#closed) return;
    if (!this.#informer.hasSynced || this.#informer.get(keysSecretName) !== undefined) return;
    this.#isMaking = true;
    void this.#make().finally(() => {
      this.#isMaking = false;
    });
  }

  async #make(): Promise<void> {
    const { client, clock, log } = this.#options;
    const key = this.#controlKey ?? randomBytes(keyBytes).toString("base64url");
    try {
      await client.json({
        method: "POST",
        path: `/api/v1/namespaces/${client.namespace}/secrets`,
        body: {
          apiVersion: "v1",
          kind: "Secret",
          metadata: { name: keysSecretName, labels: { "app.kubernetes.io/managed-by": "spawner" } },
          stringData: { [controlKeyField]: key },
        },
      });
      log.info({ secret: keysSecretName }, "the Secret was made");
      this.#backoff.reset();
    } catch (error) {
      // Another controller's, of which the informer tells; unless it is gone again before that.
      const isMadeByAnother = isKubeError(error, "AlreadyExists");
      if (!isMadeByAnother)
        log.warn({ secret: keysSecretName, err: error }, "the Secret could not be made, will be tried again");
      this.#retry = clock.after(this.#backoff.next(), () => this.#ensure());
    }
  }
}

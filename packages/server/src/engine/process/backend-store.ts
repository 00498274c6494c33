import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { SpawnerError } from "../../core/errors.ts";
import { matchesLabels } from "../../core/label-selector.ts";
import { requireValidName } from "../../core/names.ts";
import type { Backend, BackendDraft, BackendSpec } from "../../core/resource.ts";
import { show } from "../../core/shown-value.ts";
import { applyStatusPatch, hasEnded, type StatusPatch } from "../../core/status.ts";
import { type StopRequest, stopChanges } from "../../core/stop.ts";
import type { Clock } from "../../lib/clock.ts";
import type { BackendChange, BackendPage, BackendStore, ListQuery, Precondition, WorkloadIdentity } from "../engine.ts";
import { required } from "../precondition.ts";

export interface SqliteBackendStoreOptions {
  database: DatabaseSync;
  clock: Clock;
  /** How many backends may live, or have ended with their programs still running. */
  backendsMax: number;
  /** Whose programs are not over, whatever their records say. */
  programs(): Iterable<WorkloadIdentity>;
  /** Throws invalid_request where the engine could not run this. */
  admit(spec: BackendSpec): void;
  /** Told when a record is gone for good. */
  onDeleted(backend: Backend): void;
}

/** What stands before the name that a page ends with, so that other texts are known for none of ours. */
const pageMark = "after ";

function pageAfter(name: string): string {
  return Buffer.from(`${pageMark}${name}`).toString("base64url");
}

function nameOfPage(token: string): string {
  const text = Buffer.from(token, "base64url").toString();
  if (text.startsWith(pageMark)) return text.slice(pageMark.length);
  throw new SpawnerError(
    "invalid_request",
    `continue must be what the page before has given; ${show(token)} was given.`,
  );
}

/**
 * Backends in SQLite. One process owns the database, so all of it is held in memory as well: reads never touch the disk,
 * and a write is on the disk before anybody hears of it.
 */
export class SqliteBackendStore implements BackendStore {
  readonly #options: SqliteBackendStoreOptions;
  readonly #backends = new Map<string, Backend>();
  readonly #watchers = new Set<(change: BackendChange) => void>();
  readonly #statements;
  #living = 0;

  constructor(options: SqliteBackendStoreOptions) {
    const { database } = options;
    this.#options = options;
    this.#statements = {
      nextRevision: database.prepare("UPDATE revision SET number = number + 1 RETURNING number"),
      put: database.prepare("INSERT OR REPLACE INTO backends (name, uid, record) VALUES (?, ?, ?)"),
      remove: database.prepare("DELETE FROM backends WHERE name = ?"),
    };
    for (const { record } of database.prepare("SELECT record FROM backends ORDER BY name").all()) {
      this.#remember(JSON.parse(String(record)) as Backend);
    }
  }

  async create(draft: BackendDraft): Promise<Backend> {
    requireValidName(draft.name);
    if (this.#backends.has(draft.name)) {
      throw new SpawnerError("already_exists", `A backend with the name ${draft.name} exists already.`);
    }
    this.#options.admit(draft.spec);
    const { backendsMax, clock } = this.#options;
    const count = this.#living + this.#countEnding();
    if (count >= backendsMax) {
      throw new SpawnerError(
        "too_many_backends",
        `${count} backends live or are ending, and no more than ${backendsMax} are allowed (--backends-max).`,
      );
    }
    return this.#write((resourceVersion) => ({
      metadata: {
        name: draft.name,
        uid: randomUUID(),
        resourceVersion,
        creationTimestamp: clock.now().toISOString(),
        labels: { ...draft.labels },
      },
      spec: draft.spec,
      status: {},
    }));
  }

  async get(name: string): Promise<Backend | undefined> {
    return this.#backends.get(name);
  }

  async list(query: ListQuery = {}): Promise<BackendPage> {
    const { selector = [] } = query;
    const after = query.continue === undefined ? "" : nameOfPage(query.continue);
    const matching = [...this.#backends.values()]
      .filter(({ metadata }) => metadata.name > after)
      .filter(({ metadata }) => matchesLabels(selector, metadata.labels))
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
    const items = matching.slice(0, query.limit);
    const last = items.at(-1);
    return items.length < matching.length && last ? { items, continue: pageAfter(last.metadata.name) } : { items };
  }

  watch(onChange: (change: BackendChange) => void): () => void {
    let watching = true;
    const deliver = (change: BackendChange) => queueMicrotask(() => watching && onChange(change));
    for (const backend of this.#backends.values()) deliver({ kind: "changed", backend });
    deliver({ kind: "synced" });
    this.#watchers.add(deliver);
    return () => {
      watching = false;
      this.#watchers.delete(deliver);
    };
  }

  async patchStatus(target: Precondition, patch: StatusPatch): Promise<Backend> {
    const { spec, status } = this.#require(target);
    return this.#rewrite(target, { spec, status: applyStatusPatch(status, patch) });
  }

  async requestStop(target: Precondition, request: StopRequest = {}): Promise<Backend> {
    const backend = this.#require(target);
    const changes = stopChanges(backend, request, this.#options.clock.now());
    if (changes === undefined) return backend;
    return this.#rewrite(target, { spec: { ...backend.spec, ...changes }, status: backend.status });
  }

  async delete(target: Precondition): Promise<void> {
    const backend = this.#require(target);
    this.#transaction(() => this.#statements.remove.run(target.name));
    this.#backends.delete(target.name);
    if (!hasEnded(backend)) this.#living -= 1;
    this.#tell({ kind: "deleted", backend });
    this.#options.onDeleted(backend);
  }

  /** How many programs go on whose backends do not live any more: they take what a living one takes. */
  #countEnding(): number {
    const programs = [...this.#options.programs()];
    return programs.filter(({ name, uid }) => {
      const backend = this.#backends.get(name);
      return backend?.metadata.uid !== uid || hasEnded(backend);
    }).length;
  }

  #require(target: Precondition): Backend {
    return required(this.#backends.get(target.name), target);
  }

  #rewrite(target: Precondition, content: Pick<Backend, "spec" | "status">): Backend {
    const { metadata } = this.#require(target);
    return this.#write((resourceVersion) => ({ metadata: { ...metadata, resourceVersion }, ...content }));
  }

  /** One transaction: a new version, and the record that carries it. */
  #write(build: (resourceVersion: string) => Backend): Backend {
    const record = this.#transaction(() => {
      const revision = this.#statements.nextRevision.get() as { number: number };
      const built = build(String(revision.number));
      const text = JSON.stringify(built);
      this.#statements.put.run(built.metadata.name, built.metadata.uid, text);
      return text;
    });
    // What was stored, and nothing that a caller still holds a part of.
    const backend = JSON.parse(record) as Backend;
    this.#remember(backend);
    this.#tell({ kind: "changed", backend });
    return backend;
  }

  #transaction<Result>(write: () => Result): Result {
    const { database } = this.#options;
    try {
      database.exec("BEGIN IMMEDIATE");
      const result = write();
      database.exec("COMMIT");
      return result;
    } catch (cause) {
      if (database.isOpen && database.isTransaction) database.exec("ROLLBACK");
      throw new SpawnerError("unavailable", `The database cannot be written: ${(cause as Error).message}.`, { cause });
    }
  }

  #remember(backend: Backend): void {
    const before = this.#backends.get(backend.metadata.name);
    this.#living += Number(!hasEnded(backend)) - Number(before !== undefined && !hasEnded(before));
    this.#backends.set(backend.metadata.name, backend);
  }

  #tell(change: BackendChange): void {
    for (const deliver of this.#watchers) deliver(change);
  }
}

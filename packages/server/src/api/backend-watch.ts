import { Readable } from "node:stream";
import type { ErrorCode } from "@spawner/client";
import { type LabelSelector, matchesLabels } from "../core/label-selector.ts";
import type { Backend } from "../core/resource.ts";
import type { BackendChange } from "../engine/index.ts";
import type { Timer } from "../lib/clock.ts";
import type { RouteDeps } from "./route-deps.ts";
import type { OpenedStream } from "./send-stream.ts";
import { viewOf } from "./views.ts";

type WatchDeps = Pick<RouteDeps, "clock" | "engine" | "names" | "urls">;

type WatchEvent =
  | { readonly type: "added" | "changed" | "deleted"; readonly backend: Backend }
  | { readonly type: "synced" }
  /** It ends here, and why: whoever wants more asks again. */
  | { readonly type: "closed"; readonly code: ErrorCode; readonly message: string };

/** So that proxies and clients see that the stream lives. */
const heartbeatMs = 15_000;
/** As many events may wait for their reader as there are backends, and so many more. */
const waitingBeyondMax = 1_000;
/** How long a reader that was too slow has for taking what tells it so. */
const partingMs = 5_000;

/**
 * The backends that a selector chooses as server-sent events: those that are there, `synced`, and then every change. It goes
 * on until its reader leaves, or does not keep up.
 */
export function openBackendWatch(deps: WatchDeps, selector: LabelSelector): OpenedStream {
  const events = new WatchEvents(deps, selector, () => stream.destroy());
  const stream = Readable.from(events.texts(), { objectMode: false });
  stream.once("close", () => events.close());
  return {
    stream,
    finish: () => events.finish({ code: "unavailable", message: "The server is going away: ask again." }),
  };
}

/** What waits for one reader. Backends are not copied: the store's own snapshots are held until they are told. */
class WatchEvents {
  readonly #deps: WatchDeps;
  readonly #selector: LabelSelector;
  readonly #cut: () => void;
  readonly #unwatch: () => void;
  /** Those that the reader was told of, or will be: name -> UID. */
  readonly #told = new Map<string, string>();
  #waiting: WatchEvent[] = [];
  #isFinished = false;
  #parting: Timer | undefined;
  #wake = () => {};

  constructor(deps: WatchDeps, selector: LabelSelector, cut: () => void) {
    this.#deps = deps;
    this.#selector = selector;
    this.#cut = cut;
    this.#unwatch = deps.engine.backends.watch((change) => this.#onChange(change));
  }

  /** Each event as it goes over the wire; it is made when the reader takes it. */
  async *texts(): AsyncGenerator<string, void, undefined> {
    for (;;) {
      const event = this.#waiting.shift();
      if (event !== undefined) yield this.#textOf(event);
      else if (this.#isFinished) return;
      else if (!(await this.#next())) yield ":\n\n";
    }
  }

  /** Ends it in a way that its reader understands. */
  finish(reason: { code: ErrorCode; message: string }): void {
    this.#unwatch();
    this.#waiting = [{ type: "closed", ...reason }];
    this.#isFinished = true;
    this.#wake();
  }

  /** Nobody reads it any more. */
  close(): void {
    this.#unwatch();
    this.#parting?.cancel();
    this.#waiting = [];
    this.#isFinished = true;
    this.#wake();
  }

  /** Resolves when there may be something to tell; to false where it is time for a heartbeat. */
  #next(): Promise<boolean> {
    return new Promise((resolve) => {
      const heartbeat = this.#deps.clock.after(heartbeatMs, () => resolve(false));
      this.#wake = () => {
        heartbeat.cancel();
        resolve(true);
      };
    });
  }

  #onChange(change: BackendChange): void {
    if (this.#isFinished) return;
    if (change.kind === "synced") return this.#tell({ type: "synced" });
    const { backend } = change;
    const { name, uid, labels } = backend.metadata;
    const isTold = this.#told.get(name) === uid;
    const isChosen =
      change.kind === "changed" && this.#deps.names.idOf(name) !== undefined && matchesLabels(this.#selector, labels);
    if (isChosen) {
      this.#told.set(name, uid);
      this.#tell({ type: isTold ? "changed" : "added", backend });
    } else if (isTold) {
      this.#told.delete(name);
      this.#tell({ type: "deleted", backend });
    }
  }

  #tell(event: WatchEvent): void {
    this.#waiting.push(event);
    if (this.#waiting.length <= this.#told.size + waitingBeyondMax) return this.#wake();
    const message = `${this.#waiting.length} changes waited for this reader, and no more may. Ask again.`;
    this.finish({ code: "timeout", message });
    this.#parting = this.#deps.clock.after(partingMs, this.#cut);
  }

  #textOf(event: WatchEvent): string {
    const { type, ...data } = "backend" in event ? { type: event.type, ...this.#viewOf(event.backend) } : event;
    return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
  }

  /** What ran one that has ended is not asked after here: that changes without the record. */
  #viewOf(backend: Backend) {
    return viewOf({ backend, hasWorkload: false }, this.#deps);
  }
}

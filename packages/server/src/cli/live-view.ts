import type { WriteStream } from "node:tty";
import { styleText } from "node:util";
import { addressOf } from "../core/address.ts";
import type { Backend } from "../core/resource.ts";
import { hasEnded, stateOf } from "../core/status.ts";
import type { BackendChange, Engine } from "../engine/index.ts";
import type { Clock, Timer } from "../lib/clock.ts";
import type { LiveScreen } from "./live-screen.ts";
import { type LiveSession, liveTable, type TableStyle } from "./live-table.ts";
import { makeSessionEvents } from "./session-events.ts";
import { idOf, sessionLine } from "./session-lines.ts";
import type { SessionView } from "./session-view.ts";

export interface LiveViewOptions {
  readonly terminal: WriteStream;
  readonly screen: LiveScreen;
  readonly engine: Engine;
  readonly clock: Clock;
  /** What sessions are reached by. */
  readonly url: string;
}

/** At least this often, since ages grow; and no more often than the other, whatever happens. */
const redrawMostMs = 1_000;
const redrawLeastMs = 100;

interface Shown {
  backend: Backend;
  clients: number | undefined;
  isBusy: boolean;
  /** Ends the watch of its relay host, once there is one. */
  unwatch: (() => void) | undefined;
  /** It is over, and its program still runs. */
  isEnding: boolean;
}

/**
 * Shows the sessions that live as a table on a terminal, and how each has ended as lines above it; in the table it stays until
 * its program is gone.
 */
export class LiveView implements SessionView {
  readonly #options: LiveViewOptions;
  readonly #sessions = new Map<string, Shown>();
  readonly #tellEnd: (change: BackendChange) => void;
  readonly #unwatchWorkloads: () => void;
  #changedAt: Date | undefined;
  #timer: Timer | undefined;
  #drawnAtMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: LiveViewOptions) {
    this.#options = options;
    this.#tellEnd = makeSessionEvents((event) => {
      const { reason } = event.status;
      if (reason !== undefined) this.print(sessionLine(event, options.url));
    });
    this.#unwatchWorkloads = options.engine.workloads.watch(({ uid }) => {
      const shown = this.#sessions.get(uid);
      if (shown?.isEnding) this.#noteEnd(shown.backend);
    });
    options.terminal.on("resize", this.#draw);
    this.#draw();
  }

  onChange(change: BackendChange): void {
    this.#tellEnd(change);
    if (change.kind === "synced") return;
    const { backend } = change;
    if (change.kind === "deleted" || hasEnded(backend)) this.#noteEnd(backend);
    else this.#note(backend, { isEnding: false });
  }

  print(text: string): void {
    this.#options.screen.print(text);
  }

  programChanged(at: Date): void {
    this.#changedAt = at;
    this.#drawSoon();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#unwatchWorkloads();
    this.#options.terminal.off("resize", this.#draw);
    for (const uid of [...this.#sessions.keys()]) this.#forget(uid);
    this.#options.screen.show([]);
  }

  #note(backend: Backend, { isEnding }: { isEnding: boolean }): void {
    const { uid } = backend.metadata;
    const shown = this.#sessions.get(uid) ?? {
      backend,
      clients: undefined,
      isBusy: false,
      unwatch: undefined,
      isEnding,
    };
    shown.backend = backend;
    shown.isEnding = isEnding;
    this.#sessions.set(uid, shown);
    if (shown.unwatch === undefined && addressOf(backend) !== undefined) shown.unwatch = this.#watchClients(shown);
    this.#drawSoon();
  }

  #noteEnd(backend: Backend): void {
    this.#options.engine.workloads.observe(backend.metadata).then(
      ({ kind }) => {
        if (kind === "absent" || this.#closed) this.#forget(backend.metadata.uid);
        else this.#note(backend, { isEnding: true });
      },
      () => this.#forget(backend.metadata.uid), // nobody can tell: what is shown is what is known
    );
  }

  #watchClients(shown: Shown): (() => void) | undefined {
    return this.#options.engine.relayHost(shown.backend)?.watch({
      onState: ({ liveConnections, busy = false }) => {
        shown.clients = liveConnections;
        shown.isBusy = busy;
        this.#drawSoon();
      },
      onLost: () => {
        shown.clients = undefined;
        shown.unwatch = undefined;
      },
    });
  }

  #forget(uid: string): void {
    this.#sessions.get(uid)?.unwatch?.();
    this.#sessions.delete(uid);
    this.#drawSoon();
  }

  #drawSoon(): void {
    this.#drawIn(Math.max(0, this.#drawnAtMs + redrawLeastMs - this.#options.clock.monotonicMs()));
  }

  #drawIn(delayMs: number): void {
    this.#timer?.cancel();
    if (!this.#closed) this.#timer = this.#options.clock.after(delayMs, this.#draw);
  }

  readonly #draw = (): void => {
    const { clock, screen, terminal } = this.#options;
    this.#drawnAtMs = clock.monotonicMs();
    const sessions = [...this.#sessions.values()].map((shown) => this.#sessionOf(shown));
    // One row is left for the cursor, one column for terminals that break a line that is just full.
    const space = {
      columns: terminal.columns - 1,
      rows: terminal.rows - 1,
      now: clock.now(),
      paint: paintFor(terminal),
    };
    screen.show(liveTable(sessions, space));
    this.#drawIn(redrawMostMs);
  };

  #sessionOf({ backend, clients, isBusy, isEnding }: Shown): LiveSession {
    const createdAt = new Date(backend.metadata.creationTimestamp);
    const id = idOf(backend);
    return {
      id,
      state: stateOf(backend),
      createdAt,
      clients,
      isBusy,
      url: `${this.#options.url}/${id}/`,
      isStale: this.#changedAt !== undefined && createdAt < this.#changedAt,
      isEnding,
    };
  }
}

/** Colours, except where the terminal or its user (NO_COLOR) wants none. */
function paintFor(stream: WriteStream) {
  return (style: TableStyle, text: string) => styleText(style, text, { stream });
}

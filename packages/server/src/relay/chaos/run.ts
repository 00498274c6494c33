import { readdirSync, readlinkSync } from "node:fs";
import { heapBytes } from "../../../../../test/support/garbage.ts";
import { seededRandom } from "../../../../../test/support/random.ts";
import { Fixture, type Peer, until } from "../fixture.ts";
import type { Cut } from "../plan.ts";
import type { Choices } from "./answers.ts";
import { acts, leave } from "./clients.ts";
import { unruly, wandering } from "./handlers.ts";
import { serveChaos } from "./upstream.ts";

export interface ChaosResult {
  readonly seed: number;
  exchanges: number;
  /** How often everything had come to rest, and was held against the book. */
  quietPoints: number;
  /** Connections that were open on purpose at those, in all. */
  held: number;
  /** How many of them their handler has cut. */
  cut: number;
  /** Descriptors on sockets, and bytes of the heap, at the first quiet point and at the last. */
  readonly sockets: { first: number; last: number };
  readonly heapBytes: { first: number; last: number };
  readonly acts: Record<string, number>;
}

const clientsAtOnce = 20;
const actsPerWave = 150;

/**
 * Has clients and an upstream do what they like with two relays in a row, as a gateway and a relay host are. Time and again
 * everything comes to rest: then either relay must count exactly those whom this book has as being there, and have no
 * connection but theirs. Throws where it does not.
 */
export async function runChaos({ seed, exchanges }: { seed: number; exchanges: number }): Promise<ChaosResult> {
  const choose = choicesOf(seed);
  await using inner = new Fixture();
  await using outer = new Fixture();
  const upstream = await inner.raw(serveChaos);
  // So long that nobody is taken for silent, and every tunnel is counted by what looks at its bytes.
  await inner.open(wandering(choose, upstream), { limits: { silentConnectionMs: 86_400_000 } });
  const cuttable = new Set<Cut>();
  const onOpen = (cut: Cut) => {
    cuttable.add(cut);
    return () => void cuttable.delete(cut);
  };
  const upstreamOfOuter = { ...inner.relay.address, takesHalfClose: true };
  await outer.open(unruly(choose, { upstream: upstreamOfOuter, onOpen }));
  /** What clients hold open: those whose request waits at the handler, and those that have reached the upstream. */
  const held = { handler: [] as Peer[], upstream: [] as Peer[] };
  const clients = new Set<Peer>();
  const result: ChaosResult = {
    seed,
    exchanges: 0,
    quietPoints: 0,
    held: 0,
    cut: 0,
    sockets: { first: 0, last: 0 },
    heapBytes: { first: 0, last: 0 },
    acts: {},
  };
  const client = {
    choose,
    async open() {
      const peer = await outer.client();
      clients.add(peer);
      peer.socket.on("close", () => clients.delete(peer));
      return peer;
    },
    hold: (peer: Peer, where: keyof typeof held) => void held[where].push(peer),
  };

  while (result.exchanges < exchanges) {
    let left = actsPerWave;
    const runClient = async () => {
      while (left-- > 0) {
        const name = choose.from(Object.keys(acts));
        if (name === "held open" && allHeld().length >= 8) continue;
        const count = await acts[name]?.(client);
        result.exchanges += count ?? 0;
        result.acts[name] = (result.acts[name] ?? 0) + 1;
      }
    };
    await Promise.all(Array.from({ length: clientsAtOnce }, runClient));
    await quiet();
    if (choose.below(4) === 0) {
      result.cut += cuttable.size;
      for (const cut of [...cuttable]) cut({ status: 401 });
      held.upstream = [];
    }
    for (const peer of allHeld()) leave(peer, choose);
    held.handler = [];
    held.upstream = [];
    await quiet();
    measure();
  }
  return result;

  function allHeld(): Peer[] {
    return [...held.handler, ...held.upstream];
  }

  async function quiet(): Promise<void> {
    const there = allHeld();
    const reached = held.upstream.length;
    let looks = 0;
    const isQuiet = () => {
      looks += 1;
      // What is on its way gets there first. What then waits for nobody is ended by the relays' own limits.
      if (looks > 30) for (const { clock } of [inner, outer]) clock.advance(500);
      return counts(outer) === `${there.length} ${there.length}` && counts(inner) === `${reached} ${reached}`;
    };
    await until(isQuiet, "rest").catch((cause: unknown) => {
      const said = `the relays count (live, open) ${counts(outer)} and ${counts(inner)}`;
      throw new Error(`seed ${seed}: ${there.length} are there, ${reached} at the upstream; ${said}`, { cause });
    });
    for (const fixture of [inner, outer]) fixture.exchanges.length = 0;
    // The relays have closed these; their own ends may be half open, or paused.
    for (const peer of clients) if (!there.includes(peer)) peer.socket.destroy();
    for (const peer of upstream.peers) if (peer.ended || peer.closed) peer.socket.destroy();
    await until(() => upstream.peers.filter(({ closed }) => !closed).length === reached, "the upstream's rest");
    upstream.peers.splice(0, upstream.peers.length, ...upstream.peers.filter(({ closed }) => !closed));
    if (cuttable.size !== reached) throw new Error(`${reached} are there, and ${cuttable.size} can be cut`);
    result.quietPoints += 1;
    result.held += there.length;
    await until(() => clients.size === there.length, "every other client to be gone");
  }

  function measure(): void {
    const now = { sockets: openSockets(), heapBytes: heapBytes() };
    for (const what of ["sockets", "heapBytes"] as const) {
      result[what].last = now[what];
      // The first waves are for what is made once.
      if (result.quietPoints <= 6) result[what].first = now[what];
    }
  }
}

/** What a relay counts as live, and as open. */
function counts({ live, relay }: Fixture): string {
  return `${live} ${relay.openConnections}`;
}

function choicesOf(seed: number): Choices {
  const random = seededRandom(seed);
  const below = (bound: number) => Math.floor(random() * bound);
  return { below, from: (items) => items[below(items.length)] as (typeof items)[number] };
}

function openSockets(): number {
  return readdirSync("/proc/self/fd").filter((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`).startsWith("socket:");
    } catch {
      return false; // closed in between
    }
  }).length;
}

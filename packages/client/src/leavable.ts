import { type Limit, makeLimit } from "./limit.ts";

type Items<Item> = AsyncGenerator<Item, void, undefined>;

const done: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * A generator that its reader may leave at any time. One of the language's own takes return() and throw() only when it
 * yields, and keeps its connection until then; here both abort the signal given to `open` at once, and a next() that waits
 * is done.
 */
export function makeLeavable<Item>(
  open: (signal: AbortSignal) => Items<Item>,
  signal: AbortSignal | undefined,
): Items<Item> {
  const waiting = new Set<(result: typeof done) => void>();
  let limit: Limit | undefined;
  let hasLeft = false;

  const items = (async function* () {
    limit = makeLimit("Reading", signal); // not before somebody reads: who never does has nothing to take back
    try {
      yield* open(limit.signal);
    } finally {
      limit.end();
    }
  })();
  const next = items.next.bind(items);
  const close = items.return.bind(items);

  const leave = () => {
    hasLeft = true;
    for (const settle of waiting) settle(done);
    limit?.end();
    close().catch(() => {}); // the abort, which was meant
  };
  // Put upon the generator itself, so that it can be iterated and disposed of like any other.
  return Object.assign(items, {
    next: () =>
      new Promise<IteratorResult<Item, void>>((resolve, reject) => {
        if (hasLeft) return resolve(done);
        waiting.add(resolve);
        next()
          .then(resolve, reject)
          .finally(() => waiting.delete(resolve));
      }),
    async return() {
      leave();
      return done;
    },
    async throw(error: unknown) {
      leave();
      throw error;
    },
  });
}

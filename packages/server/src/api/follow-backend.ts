import type { Backend } from "../core/resource.ts";
import type { RouteDeps } from "./route-deps.ts";

export interface GenerationListener {
  onBackend(backend: Backend): void;
  /** The record of this generation is gone. */
  onGone(): void;
}

/**
 * Calls back for what a generation is now and every later change of it, never before it returned. It is read once more
 * when it is followed already: it may have changed between the caller's reading and this.
 */
export function followBackend(
  deps: Pick<RouteDeps, "engine" | "hub">,
  { metadata }: Backend,
  listener: GenerationListener,
): () => void {
  const { name, uid } = metadata;
  let isFollowed = true;
  const onLatest = (latest: Backend | undefined) => {
    if (!isFollowed) return;
    if (latest?.metadata.uid === uid) listener.onBackend(latest);
    else listener.onGone();
  };
  // Where the store cannot be read now, its watch tells what it has to tell when it can be.
  const look = () => void deps.engine.backends.get(name).then(onLatest, () => {});
  const isOfIt = (backend: Backend) => backend.metadata.uid === uid;
  const unfollow = deps.hub.follow(name, {
    // Another generation's: the next one's, or a former one's that a watch tells late. The store knows which it is.
    onBackend: (backend) => (isOfIt(backend) ? onLatest(backend) : look()),
    onDeleted: (backend) => void (isOfIt(backend) && onLatest(undefined)),
  });
  look();
  return () => {
    isFollowed = false;
    unfollow();
  };
}

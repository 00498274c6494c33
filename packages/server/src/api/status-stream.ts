import { PassThrough } from "node:stream";
import { type BackendState, backendStates, type StatusMessage } from "@spawner/client";
import { publicView } from "../core/public-view.ts";
import type { Backend } from "../core/resource.ts";
import { isEndState, rankOf } from "../core/states.ts";
import { recordedHistory, statusHistory } from "../core/status.ts";
import { followBackend } from "./follow-backend.ts";
import type { RouteDeps } from "./route-deps.ts";
import type { OpenedStream } from "./send-stream.ts";

/** So that proxies and clients see that the stream lives. */
const heartbeatMs = 15_000;

export interface StatusStreamOptions {
  readonly backend: Backend;
  /** `<uid>/<state>` of the last event that the client has: only what comes after it is sent. */
  readonly lastEventId: string | undefined;
}

/**
 * The states of one generation as server-sent events: those reached so far, then each as it is reached, and the end after
 * the last. A state may become known after a later one; it is left out then, so that states never go back. An end before the
 * last state has a client ask again, and go on behind what it has.
 */
export function openStatusStream(
  deps: Pick<RouteDeps, "clock" | "compat" | "engine" | "hub">,
  { backend, lastEventId }: StatusStreamOptions,
): OpenedStream {
  const { clock } = deps;
  const stream = new PassThrough();
  const { uid } = backend.metadata;
  let lastRank = rankOfEventId(lastEventId, uid);

  const send = (status: StatusMessage) => {
    if (rankOf(status.state) <= lastRank || stream.writableEnded) return;
    lastRank = isEndState(status.state) ? backendStates.length : rankOf(status.state);
    stream.write(`id: ${uid}/${status.state}\ndata: ${JSON.stringify(status)}\n\n`);
    if (isEndState(status.state)) stream.end();
  };
  const onBackend = (latest: Backend) => {
    const shown = publicView(latest);
    const history = deps.compat ? recordedHistory(shown) : statusHistory(shown);
    for (const status of history) send(status);
  };
  const onGone = () => {
    const time = clock.now().toISOString();
    send({ state: "Swept", time, reason: "Requested", message: "The record of the backend was deleted." });
    stream.end();
  };
  const unfollow = followBackend(deps, backend, { onBackend, onGone });
  const beat = () => {
    if (stream.writableEnded) return; // its reader is slow to take the end
    stream.write(":\n\n");
    heartbeat = clock.after(heartbeatMs, beat);
  };
  let heartbeat = clock.after(heartbeatMs, beat);
  stream.on("close", () => {
    unfollow();
    heartbeat.cancel();
  });
  onBackend(backend);
  return { stream, finish: () => stream.end() };
}

/** Whether `lastEventId` names the end of this generation, behind which nothing comes. */
export function isBehindEnd({ backend, lastEventId }: StatusStreamOptions): boolean {
  return rankOfEventId(lastEventId, backend.metadata.uid) >= rankOf("Swept");
}

function rankOfEventId(lastEventId: string | undefined, uid: string): number {
  const state = lastEventId?.startsWith(`${uid}/`) ? lastEventId.slice(uid.length + 1) : "";
  return backendStates.indexOf(state as BackendState);
}

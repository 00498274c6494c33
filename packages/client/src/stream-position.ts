import { SpawnerClientError } from "./errors.ts";
import { type BackendState, backendStates, type StatusMessage } from "./protocol.ts";

/** How far a status stream has come, over all of its connections. */
export interface StreamPosition {
  /** `<uid>/<state>` of the last state. */
  readonly lastEventId: string | undefined;
  /** Whether the last state has come. */
  readonly isOver: boolean;
  /**
   * Whether the state is new. A server that does not know `Last-Event-ID` tells all again; states only go forward.
   * Throws `not_found` when it is of another backend that has got the same id.
   */
  advance(status: StatusMessage, eventId: string): boolean;
}

const firstEndRank = backendStates.indexOf("Swept");

export function makeStreamPosition(startEventId: string | undefined): StreamPosition {
  let lastEventId = startEventId;
  let rank = backendStates.indexOf(splitEventId(startEventId).state as BackendState);
  return {
    get lastEventId() {
      return lastEventId;
    },
    get isOver() {
      return rank >= firstEndRank;
    },
    advance({ state }, eventId) {
      const { uid: known } = splitEventId(lastEventId);
      const { uid } = splitEventId(eventId);
      if (known !== "" && uid !== "" && uid !== known) {
        throw new SpawnerClientError("not_found", "The backend is gone: another one has got its id.");
      }
      const newRank = backendStates.indexOf(state);
      if (newRank <= rank) return false;
      rank = newRank;
      if (eventId !== "") lastEventId = eventId;
      return true;
    },
  };
}

function splitEventId(eventId = ""): { uid: string; state: string } {
  const slash = eventId.lastIndexOf("/");
  return slash === -1 ? { uid: "", state: "" } : { uid: eventId.slice(0, slash), state: eventId.slice(slash + 1) };
}

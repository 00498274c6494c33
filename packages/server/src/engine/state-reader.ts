import { decodeRelayHostState, type RelayHostState } from "../core/relay-host.ts";

/** Reads the states out of a relay host's `/_events`, as its text comes. */
export class StateReader {
  #rest = "";

  /** Comments (heartbeats) hold no data, and what cannot be understood is not taken for anything. */
  read(text: string): RelayHostState[] {
    const events = (this.#rest + text).split("\n\n");
    this.#rest = events.pop() ?? "";
    return events.map(stateIn).filter((state) => state !== undefined);
  }
}

function stateIn(event: string): RelayHostState | undefined {
  const data = event.split("\n").find((line) => line.startsWith("data:"));
  return data === undefined ? undefined : decodeRelayHostState(data.slice("data:".length));
}

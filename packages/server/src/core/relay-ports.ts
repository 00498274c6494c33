import { type BackendSpec, completeSpec } from "./resource.ts";

/** The ports of a relay host that has an address of its own, as a Pod has. */
export interface RelayPorts {
  /** Relayed to the program. */
  readonly servePort: number;
  /** Of the relay host protocol. */
  readonly controlPort: number;
}

const usual: RelayPorts = { servePort: 9090, controlPort: 9091 };
const moved: RelayPorts = { servePort: 9190, controlPort: 9191 };

/** 9090 and 9091, as everybody expects; 9190 and 9191 where the program itself wants one of those. */
export function relayPortsOf(spec: BackendSpec): RelayPorts {
  const { httpPort } = completeSpec(spec);
  return httpPort === usual.servePort || httpPort === usual.controlPort ? moved : usual;
}

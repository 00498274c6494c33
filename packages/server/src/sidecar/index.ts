export { BackendRelayHost, type RelayHostConfig } from "./relay-host.ts";
export { run, type Sidecar, type SidecarConfig } from "./sidecar.ts";

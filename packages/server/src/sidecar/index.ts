export { openProgramServer } from "./program-server.ts";
export { BackendRelayHost } from "./relay-host.ts";
export { run } from "./sidecar.ts";

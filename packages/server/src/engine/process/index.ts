export { livingPrograms } from "./living-programs.ts";
export { ProcessEngine } from "./process-engine.ts";
export type { OpenRelayHost } from "./relay-host-server.ts";

export { ProcessEngine, type ProcessEngineOptions } from "./process-engine.ts";
export type { OpenRelayHost, RelayHostOptions, RelayHostServer } from "./relay-host-server.ts";
export type { CommandTemplate, CommandTemplates } from "./templates.ts";

export { run } from "./gateway.ts";
export type { GatewayConfig } from "./gateway-config.ts";

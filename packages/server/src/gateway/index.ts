export { type GatewayConfig, type GatewayDeps, run } from "./gateway.ts";

export { type GatewayConfig, run } from "./gateway.ts";

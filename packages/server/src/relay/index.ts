export { Activity } from "./activity.ts";
export type { RequestHead, ResponseHead } from "./head.ts";
export type { Exchange, Plan, Upstream } from "./plan.ts";
export type { RelayProblem } from "./problem.ts";
export { Relay, type RelayTraffic } from "./relay.ts";
export type { Answer } from "./response.ts";
export { rewriteRequestHead, rewriteResponseHead } from "./rewrite.ts";

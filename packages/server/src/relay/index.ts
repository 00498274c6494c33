export { Activity } from "./activity.ts";
export { listItems, type MessageHead, RequestHead, type ResponseHead } from "./head.ts";
export type { RelayLimits } from "./limits.ts";
export type { Cut, Exchange, Plan, Upstream } from "./plan.ts";
export type { RelayProblem } from "./problem.ts";
export { type DrainOptions, Relay, type RelayTraffic } from "./relay.ts";
export type { Answer } from "./response.ts";
export { FieldLines, type FieldPair, rewriteRequestHead, rewriteResponseHead } from "./rewrite.ts";

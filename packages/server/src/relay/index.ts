export { Activity, type ActivityLease } from "./activity.ts";
export type { RequestHead, ResponseHead } from "./head.ts";
export { defaultLimits, type RelayLimits } from "./limits.ts";
export type { Exchange, Plan, RequestHandler, Upstream } from "./plan.ts";
export { RelayProblem, type RelayProblemKind, statusOfProblem } from "./problem.ts";
export { Relay, type RelayAddress, type RelayOptions } from "./relay.ts";
export type { Answer } from "./response.ts";
export { type FieldChanges, rewriteRequestHead, rewriteResponseHead } from "./rewrite.ts";

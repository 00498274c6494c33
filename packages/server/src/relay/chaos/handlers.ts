import { setTimeout as delay } from "node:timers/promises";
import type { Cut, Exchange, Plan, RequestHandler, Upstream } from "../plan.ts";
import { rewriteRequestHead } from "../rewrite.ts";
import { type Choices, misdirected, parseTarget, saidByHandler } from "./answers.ts";

type ForwardPlan = Extract<Plan, { kind: "forward" }>;

/** Nobody listens there, and no other test is ever given the port. */
const dead: Upstream = { host: "127.0.0.1", port: 1 };

/** Sends each request to `upstream`, by a way of which its client sees nothing. */
export function wandering(choose: Choices, upstream: Upstream): RequestHandler {
  return (exchange) => {
    const plan: ForwardPlan = { kind: "forward", upstream };
    // Only once: a request is tried three times, and what is lost to a connection that just closes is tried again too.
    if (exchange.attempt > 0) return plan;
    switch (choose.below(10)) {
      case 0:
        return { kind: "forward", upstream: dead };
      case 1:
        return delay(choose.below(10), plan);
      case 2:
        return { kind: "forward", upstream: { ...upstream, key: String(choose.below(3)) } };
      case 3:
        return exchange.head.hasBody ? plan : { ...plan, head: () => elsewhere(exchange) };
      default:
        return plan;
    }
  };
}

/**
 * As `wandering`, and does what the target says that a handler is to do: answers itself, fails, lets the request wait, or ends
 * it later. `onOpen` is told of each request that is forwarded.
 */
export function unruly(
  choose: Choices,
  { upstream, onOpen }: { upstream: Upstream; onOpen: (cut: Cut) => () => void },
): RequestHandler {
  const wander = wandering(choose, upstream);
  return async (exchange) => {
    const { kind, how } = parseTarget(exchange.head.target);
    switch (kind) {
      case "parked":
        return new Promise((_, reject) => exchange.signal.addEventListener("abort", () => reject(new Error("gone"))));
      case "answered":
        return { kind: "answer", answer: saidByHandler };
      case "failing":
        throw new Error("a handler that fails");
      case "turned-away":
        // Asked again although part of the body was sent: it has an answer then.
        if (exchange.attempt > 0) return { kind: "answer", answer: saidByHandler };
        return { kind: "forward", upstream, onOpen, head: () => elsewhere(exchange), isRefusal: is421 };
    }
    const plan = await wander(exchange);
    if (plan.kind === "answer") return plan;
    return { ...plan, onOpen: how === "revoked" ? (cut) => soon(choose, cut, onOpen(cut)) : onOpen };
  };
}

function elsewhere({ head }: Exchange): Buffer {
  return rewriteRequestHead(head, { target: misdirected });
}

function is421({ status }: { status: number }): boolean {
  return status === 421;
}

/** Cuts in a moment what is open then. */
function soon(choose: Choices, cut: Cut, release: () => void): () => void {
  const timer = setTimeout(() => cut({ status: 401 }), choose.below(5));
  return () => {
    clearTimeout(timer);
    release();
  };
}

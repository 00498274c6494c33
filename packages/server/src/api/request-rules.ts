import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

/** Looks at the head of a request, and throws a SpawnerError where it is refused. */
export type RequestRule = (request: FastifyRequest, reply: FastifyReply) => void;

/** Holds every request to these rules, in their order, before its body is read. One hook for all, since each costs turns. */
export function holdTo(app: FastifyInstance, rules: readonly RequestRule[]): void {
  app.addHook("onRequest", (request, reply, done) => {
    for (const rule of rules) rule(request, reply);
    done(); // what a rule throws is handed on by Fastify
  });
}

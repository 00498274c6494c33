import { Relay } from "../relay/index.ts";
import type { GatewayConfig, GatewayDeps, RunningGateway } from "./gateway-config.ts";
import { GatewayMetrics } from "./metrics.ts";
import { isNotForClients } from "./own-fields.ts";
import { Routing } from "./routing.ts";

/** Sends the requests of users to the relay hosts of their backends. */
export async function run(config: GatewayConfig, deps: GatewayDeps): Promise<RunningGateway> {
  const { clock } = deps;
  const metrics = new GatewayMetrics(deps.metrics, { traffic: () => relay.traffic() });
  const routing = new Routing(config, deps, metrics);
  const relay: Relay = new Relay({
    clock,
    ...(config.limits === undefined ? {} : { limits: config.limits }),
    isHeadOnly: isNotForClients,
    onRequest: (exchange) => routing.route(exchange),
    describeProblem: (problem, exchange) => routing.describe(problem, exchange),
    onAnswered: (status) => metrics.answered("gateway", status),
  });
  try {
    const { host, port } = await relay.listen(config);
    return {
      host,
      port,
      quiesce: (options) => relay.quiesce(options),
      drain: (options) => relay.drain(options),
      async close() {
        routing.close();
        await relay.close();
      },
    };
  } catch (error) {
    routing.close();
    throw error;
  }
}

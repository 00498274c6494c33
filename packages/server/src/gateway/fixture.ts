import { connect, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import type { BackendStore } from "../engine/index.ts";
import { openForRecords } from "../engine/process/fixtures/records-only.ts";
import { FakeClock } from "../lib/fake-clock.ts";
import { silentLog } from "../lib/log.ts";
import { Metrics } from "../lib/metrics.ts";
import { run } from "./gateway.ts";
import type { GatewayConfig, GatewayDeps } from "./gateway-config.ts";

export interface TestGatewayOptions extends Partial<GatewayConfig>, Pick<GatewayDeps, "api" | "signingKeys"> {
  /** How the gateway sees the records. Default: as they are. */
  readonly seen?: (backends: BackendStore) => BackendStore;
}

/** A gateway over records alone: nothing is started here. */
export async function startGateway({ api, signingKeys, seen, ...config }: TestGatewayOptions = {}) {
  const clock = new FakeClock();
  const engine = await openForRecords(clock);
  const metrics = new Metrics();
  const gateway = await run(
    { host: "127.0.0.1", port: 0, servicePrefix: "", forwardedProto: "http", parkedMax: 10, ...config },
    {
      engine: seen === undefined ? engine : { backends: seen(engine.backends) },
      clock,
      log: silentLog,
      metrics,
      ...(api === undefined ? {} : { api }),
      ...(signingKeys === undefined ? {} : { signingKeys }),
    },
  );
  const sockets: Socket[] = [];
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await gateway.close();
  });
  const open = () => {
    const socket = connect({ host: "127.0.0.1", port: gateway.port });
    sockets.push(socket);
    return socket.on("error", () => {}); // it is reset in some tests
  };
  return {
    clock,
    metrics,
    backends: engine.backends,
    /** Sends bytes. Gives the connection, and the status of the answer once there is one. */
    ask: (text: string) => {
      const socket = open();
      const status = new Promise<number>((resolve) =>
        socket.once("data", (bytes) => resolve(Number(String(bytes).split(" ")[1]))),
      );
      socket.write(text);
      return { socket, status };
    },
    /** Sends bytes, and reads until the connection ends. */
    exchange: (text: string) =>
      new Promise<string>((resolve) => {
        let answer = "";
        const socket = open();
        socket.on("data", (bytes) => {
          answer += bytes;
        });
        socket.on("close", () => resolve(answer));
        socket.write(text);
      }),
  };
}

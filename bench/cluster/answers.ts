import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface AskOptions {
  /** Between two attempts. */
  readonly everyMs: number;
  readonly withinMs: number;
}

/** Asks by HTTP, one attempt at a time, until there is an answer. Resolves to when that was, by performance.now(). */
export function untilAnswered(address: Address, options: AskOptions): Promise<number> {
  return repeat(() => attempt(address, "GET / HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n", options), options);
}

/** Connects, and says nothing, until somebody accepts. Resolves to when that was, by performance.now(). */
export function untilAccepted(address: Address, options: AskOptions): Promise<number> {
  return repeat(() => attempt(address, undefined, options), options);
}

async function repeat(ask: () => Promise<boolean>, { everyMs, withinMs }: AskOptions): Promise<number> {
  const untilMs = performance.now() + withinMs;
  while (!(await ask())) {
    if (performance.now() > untilMs) throw new Error(`there was no answer within ${withinMs / 1_000} s`);
    await sleep(everyMs);
  }
  return performance.now();
}

/** Whether the connection was accepted and, where something is asked, answered with 200. */
function attempt({ host, port }: Address, request: string | undefined, { withinMs }: AskOptions): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true });
    const settle = (isAnswered: boolean) => {
      socket.destroy();
      resolve(isAnswered);
    };
    socket.setTimeout(withinMs, () => settle(false));
    socket.on("error", () => settle(false)).on("end", () => settle(false));
    socket.on("connect", () => (request === undefined ? settle(true) : socket.write(request)));
    socket.on("data", (bytes) => settle(bytes.toString("latin1").startsWith("HTTP/1.1 200 ")));
  });
}

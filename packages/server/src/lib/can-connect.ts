import { connect } from "node:net";

/** Whether a TCP connection comes about within `mostMs`. It is closed at once. */
export function canConnect(port: number, { host, mostMs }: { host: string; mostMs: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host, timeout: mostMs });
    const settle = (connected: boolean) => {
      socket.destroy();
      resolve(connected);
    };
    socket.once("connect", () => settle(true));
    socket.once("timeout", () => settle(false));
    socket.on("error", () => settle(false)); // refused, unreachable: nobody is there
  });
}

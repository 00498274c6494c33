import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/**
 * Below the ports that Linux (32768 to 60999) and macOS (49152 and up) give to outgoing connections, so that none of
 * those takes a port between our choice and the program's listening.
 */
export const firstPort = 20_000;
export const lastPort = 32_767;

/** A port on which nobody listens and that is not in `taken`. Somebody may take it before it is used. */
export async function findFreePort(taken: ReadonlySet<number>): Promise<number> {
  const count = lastPort - firstPort + 1;
  const start = randomInt(count);
  for (let offset = 0; offset < count; offset++) {
    const port = firstPort + ((start + offset) % count);
    if (!taken.has(port) && (await canListen(port))) return port;
  }
  throw new Error(`no free port between ${firstPort} and ${lastPort}`);
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

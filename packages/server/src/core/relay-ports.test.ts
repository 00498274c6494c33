import { expect, test } from "vitest";
import { relayPortsOf } from "./relay-ports.ts";

test.each([
  [undefined, 9090, 9091],
  [null, 9090, 9091],
  [8080, 9090, 9091],
  [9090, 9190, 9191],
  [9091, 9190, 9191],
  [9190, 9090, 9091],
])("a program on port %s leaves the relay %i and %i", (httpPort, servePort, controlPort) => {
  const spec = { template: { containers: [{}] }, ...(httpPort === undefined ? {} : { httpPort }) };
  expect(relayPortsOf(spec)).toEqual({ servePort, controlPort });
});

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "./dev.ts";

/** A command that begins when `open` is called: until then, the backend that runs it is on its way. */
export function gated(command: readonly string[]) {
  const gate = join(temporaryFolder(), "open");
  return {
    command: ["sh", "-c", 'until [ -e "$0" ]; do sleep 0.05; done; exec "$@"', gate, ...command],
    open: () => writeFileSync(gate, ""),
  };
}

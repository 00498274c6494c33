import type { Logger } from "pino";

/** Logs to stderr as lines of JSON, or to `write`. */
export async function makeLogger(level: string, write: (line: string) => void = openStderr()): Promise<Logger> {
  const { pino } = await import("pino"); // here, and not at the top: most commands log nothing
  return pino({ level }, { write: (line) => write(line.trimEnd()) });
}

/**
 * Whoever read the log may be gone (a terminal that was closed, say); that must not end the server. Pino's own destination
 * would try again and again, and do nothing else.
 */
function openStderr(): (line: string) => void {
  process.stderr.on("error", () => {});
  return (line) => void process.stderr.write(`${line}\n`);
}

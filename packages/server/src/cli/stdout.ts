import { exitCodes } from "./exit-codes.ts";

/** Ends the process when its output can go nowhere: who reads it has left (`| head`), which is no error, or a disk is full. */
export function endWithReader(): void {
  process.stdout.on("error", onError);
}

/** A server goes on when nobody reads what it writes any more (a terminal that was closed, say). */
export function outliveReader(): void {
  process.stdout.off("error", onError).on("error", () => {});
}

function onError({ code, message }: NodeJS.ErrnoException): void {
  if (code === "EPIPE") process.exit(exitCodes.ok);
  process.stderr.write(`spawner: the output cannot be written: ${message}\n`);
  process.exit(exitCodes.failure);
}

import { UsageError } from "./report-failure.ts";

/** Throws a UsageError where it was not said who may start and end sessions. */
export function requireCallers(
  { tokensFile, allowAnonymous = false }: { tokensFile?: string; allowAnonymous?: boolean },
  { reached }: { reached: "server" | "API" },
): void {
  if (tokensFile !== undefined || allowAnonymous) return;
  throw new UsageError(
    `Who may start and end sessions? Give the file with their tokens (--tokens-file FILE), or let everybody who can reach this ${reached} (--allow-anonymous).`,
  );
}

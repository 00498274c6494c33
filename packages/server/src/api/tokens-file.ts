import { createHash, timingSafeEqual } from "node:crypto";
import { type BigIntStats, readFileSync, statSync } from "node:fs";
import { SpawnerError } from "../core/errors.ts";
import type { Clock } from "../lib/clock.ts";
import { fileLookMs, fileVersion } from "../lib/file-version.ts";
import type { Log } from "../lib/log.ts";
import { type TokenRole, tokenRoles } from "./route-config.ts";

/** So that a token cannot be guessed, and an empty or half-written line is none. */
const tokenLengthMin = 16;
const fileBytesMax = 1024 * 1024;
/** Of a file that is something else altogether, the first will do. */
const problemsMax = 5;
/** What can stand in an Authorization header (RFC 6750 2.1). */
const tokenPattern = /^[A-Za-z0-9\-._~+/]+=*$/;

export interface TokensFileDeps {
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The tokens of a file: one a line, behind it what it is good for (`TOKEN read,spawn`; all, where nothing is said); empty
 * lines and those that begin with `#` are none. It is looked at again when it is used, by its path: editors and Kubernetes replace files rather than write them. Only hashes are held.
 */
export class TokensFile {
  readonly #path: string;
  readonly #deps: TokensFileDeps;
  #known: readonly KnownToken[] = [];
  /** Which file was read last; undefined where it could not be. */
  #version: string | undefined;
  #lookedAtMs: number;

  /** Throws a SpawnerError where the file cannot be used: missing, unreadable, with a line that can be no token. */
  constructor(path: string, deps: TokensFileDeps) {
    this.#path = path;
    this.#deps = deps;
    const stats = this.#stat();
    const { tokens, problems } = this.#read();
    if (problems.length > 0) throw unusable(path, problems.join("; "));
    this.#lookedAtMs = deps.clock.monotonicMs();
    this.#use(tokens, stats);
  }

  /** What this token is good for; undefined where it is not in the file now. Takes as long for every token of the same length. */
  rolesOf(token: string): ReadonlySet<TokenRole> | undefined {
    this.#look();
    const given = hashOf(token);
    let found: ReadonlySet<TokenRole> | undefined;
    for (const { hash, roles } of this.#known) if (timingSafeEqual(hash, given)) found = roles;
    return found;
  }

  /** Reads the file again where it is another one. What cannot be read accepts nobody. */
  #look(): void {
    const { clock, log } = this.#deps;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#lookedAtMs < fileLookMs) return;
    this.#lookedAtMs = nowMs;
    try {
      const stats = this.#stat();
      if (fileVersion(stats) === this.#version) return;
      const { tokens, problems } = this.#read();
      if (problems.length > 0) log.error({ tokensFile: this.#path, problems }, "lines of the tokens file are left out");
      this.#use(tokens, stats);
    } catch (error) {
      if (this.#version === undefined) return; // said already
      this.#version = undefined;
      this.#known = [];
      log.error({ tokensFile: this.#path, err: error }, "tokens file is not readable: every token is refused");
    }
  }

  #use(tokens: readonly ListedToken[], stats: BigIntStats): void {
    const { log } = this.#deps;
    const tokensFile = this.#path;
    this.#version = fileVersion(stats);
    this.#known = tokens.map(({ token, roles }) => ({ hash: hashOf(token), roles }));
    if (tokens.length === 0) log.error({ tokensFile }, "tokens file holds no token: every token is refused");
    else log.info({ tokensFile, tokens: tokens.length }, "tokens read");
    if ((stats.mode & 0o004n) !== 0n) log.warn({ tokensFile }, "tokens file can be read by every user: chmod 600");
  }

  #stat(): BigIntStats {
    const stats = attempt(this.#path, () => statSync(this.#path, { bigint: true }));
    if (!stats.isFile()) throw unusable(this.#path, "it is not a file");
    if (stats.size > fileBytesMax) {
      throw unusable(this.#path, `it has ${stats.size} bytes; ${fileBytesMax} are the most`);
    }
    return stats;
  }

  #read(): Listed {
    return parse(attempt(this.#path, () => readFileSync(this.#path, "utf8")));
  }
}

interface ListedToken {
  readonly token: string;
  readonly roles: ReadonlySet<TokenRole>;
}

interface KnownToken {
  readonly hash: Buffer;
  readonly roles: ReadonlySet<TokenRole>;
}

interface Listed {
  readonly tokens: readonly ListedToken[];
  readonly problems: readonly string[];
}

/** Problems name the line, never what is in it. */
function parse(text: string): Listed {
  const tokens: ListedToken[] = [];
  const problems: string[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const [token = "", said = "admin", ...more] = line.trim().split(/\s+/);
    if (token === "" || token.startsWith("#")) continue;
    const where = `the token in line ${index + 1}`;
    const roles = said.split(",").map((name) => tokenRoles.find((role) => role === name));
    if (!tokenPattern.test(token)) {
      problems.push(`${where} has a character other than letters, digits and -._~+/ (and = at its end)`);
    } else if (token.length < tokenLengthMin) {
      problems.push(`${where} has ${token.length} characters; ${tokenLengthMin} are needed`);
    } else if (more.length > 0 || roles.includes(undefined)) {
      problems.push(`${where} is followed by something else than ${tokenRoles.join(", ")} with commas in between`);
    } else tokens.push({ token, roles: new Set(roles.filter((role) => role !== undefined)) });
  }
  return { tokens, problems: problems.slice(0, problemsMax) };
}

function attempt<Result>(path: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw unusable(path, (error as Error).message, { cause: error });
  }
}

function unusable(path: string, why: string, options?: { cause: unknown }): SpawnerError {
  const message = `The tokens file ${JSON.stringify(path)} cannot be used: ${why}. One token a line is needed.`;
  return new SpawnerError("invalid_request", message, options);
}

/** Tokens are compared by their hashes: these are all of one length. */
function hashOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

import { createHmac, createSecretKey, randomUUID } from "node:crypto";
import { createDecoder, createVerifier } from "fast-jwt";
import type { SigningKey } from "./signing-keys.ts";

/** Whom a token lets in, and where. */
export interface ConnectionGrant {
  /** `<name>/<uid>`: one generation of one backend, and no other. */
  readonly backend: string;
  /** Who it is, in the application's words. Default: nobody in particular. */
  readonly user?: string;
  /** What the application wants its program to know of the user. */
  readonly auth?: Readonly<Record<string, unknown>>;
  /** The latest revocation of this user that the signer knows of: a later one takes the token back. Default: none. */
  readonly revocation?: string;
}

/** A token as it was verified. */
export interface ConnectionToken extends ConnectionGrant {
  /** Names this one token, to be revoked. */
  readonly id: string;
  /** Requests and connections that begin later are refused; those that are open go on. */
  readonly expiresAtMs: number;
}

/** A token as it is handed out. */
export interface SignedToken {
  readonly text: string;
  readonly expiresAt: Date;
}

export type TokenVerdict =
  | { readonly kind: "valid"; readonly token: ConnectionToken }
  /** It was one of ours once. */
  | { readonly kind: "expired"; readonly token: ConnectionToken }
  /** It is none of ours, or signed with a key that is gone. */
  | { readonly kind: "invalid" };

/** The keys as they are now; the first one signs. */
export type SigningKeys = () => readonly SigningKey[];

/** Nobody else's tokens are taken for ours, be they signed with the same key (RFC 7519 4.1.3). */
const audience = "spawner.dev/connection";
const algorithm = "HS256";

interface Claims {
  readonly aud: string;
  readonly jti: string;
  readonly sub?: string;
  readonly backend: string;
  readonly auth?: Readonly<Record<string, unknown>>;
  /** Seconds since 1970 (RFC 7519 2). */
  readonly iat: number;
  readonly exp: number;
  /** `revocation` of the grant. */
  readonly rev?: string;
}

/** Makes connection tokens: JSON Web Tokens (RFC 7519) signed with HMAC-SHA-256. */
export class ConnectionTokenSigner {
  readonly #keys: SigningKeys;
  readonly #now: () => Date;
  #signer: { readonly key: SigningKey; readonly sign: (claims: Claims) => string } | undefined;

  constructor(keys: SigningKeys, { now }: { now: () => Date }) {
    this.#keys = keys;
    this.#now = now;
  }

  /** Whether there is a key to sign with. */
  get canSign(): boolean {
    return this.#keys().length > 0;
  }

  /** Undefined where there is no key to sign with. */
  sign(grant: ConnectionGrant, { ttlSeconds }: { ttlSeconds: number }): SignedToken | undefined {
    const [key] = this.#keys();
    if (key === undefined) return undefined;
    if (this.#signer?.key.secret !== key.secret || this.#signer.key.id !== key.id) {
      this.#signer = { key, sign: makeSign(key) };
    }
    const iat = Math.floor(this.#now().getTime() / 1000);
    const { backend, user, auth, revocation } = grant;
    const claims: Claims = {
      aud: audience,
      jti: randomUUID(),
      ...(user === undefined ? {} : { sub: user }),
      backend,
      ...(auth === undefined ? {} : { auth }),
      iat,
      exp: iat + ttlSeconds,
      ...(revocation === undefined ? {} : { rev: revocation }),
    };
    return { text: this.#signer.sign(claims), expiresAt: new Date(claims.exp * 1000) };
  }
}

/** In half the time of fast-jwt's signer, which copies and checks claims that are ours: what each token has is made once. */
function makeSign({ id, secret }: SigningKey): (claims: Claims) => string {
  const header = base64url(JSON.stringify({ alg: algorithm, typ: "JWT", kid: id }));
  const key = createSecretKey(secret, "utf8");
  return (claims) => {
    // RFC 7515 7.1
    const signed = `${header}.${base64url(JSON.stringify(claims))}`;
    return `${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`;
  };
}

function base64url(text: string): string {
  return Buffer.from(text).toString("base64url");
}

export interface VerifierOptions {
  readonly now: () => Date;
  /** How many verified tokens are remembered, so that a request costs no signature. Default 10,000. */
  readonly rememberedMax?: number;
}

/** Nothing of ours is longer. */
const tokenLengthMax = 8_192;

/** Judges connection tokens by the keys and the time as they are at each call. */
export class ConnectionTokenVerifier {
  readonly #keys: SigningKeys;
  readonly #now: () => Date;
  readonly #rememberedMax: number;
  readonly #decode = createDecoder({ complete: true });
  readonly #verifiers = new Map<string, (token: string) => Claims>();
  /** In the order of their first use. */
  readonly #remembered = new Map<string, { readonly key: SigningKey; readonly token: ConnectionToken }>();

  constructor(keys: SigningKeys, { now, rememberedMax = 10_000 }: VerifierOptions) {
    this.#keys = keys;
    this.#now = now;
    this.#rememberedMax = rememberedMax;
  }

  /** Whether there is a key to judge any by. */
  get canVerify(): boolean {
    return this.#keys().length > 0;
  }

  verify(text: string): TokenVerdict {
    const token = this.#recall(text) ?? this.#check(text);
    if (token === undefined) return { kind: "invalid" };
    return { kind: this.#now().getTime() < token.expiresAtMs ? "valid" : "expired", token };
  }

  /** A token whose key is gone meanwhile is not remembered. */
  #recall(text: string): ConnectionToken | undefined {
    const known = this.#remembered.get(text);
    if (known === undefined) return undefined;
    if (this.#keys().some(({ id, secret }) => id === known.key.id && secret === known.key.secret)) return known.token;
    this.#remembered.delete(text);
    return undefined;
  }

  #check(text: string): ConnectionToken | undefined {
    if (text.length > tokenLengthMax) return undefined;
    try {
      const { header } = this.#decode(text) as { header: { kid?: unknown } };
      const key = this.#keys().find(({ id }) => id === header.kid);
      if (key === undefined) return undefined;
      const token = tokenOf(this.#verifierOf(key)(text));
      this.#remember(text, { key, token });
      return token;
    } catch {
      return undefined; // malformed, forged, of another audience or algorithm: all the same to us
    }
  }

  /** Expiry is judged at each use, by our own clock. */
  #verifierOf({ secret }: SigningKey): (token: string) => Claims {
    const known = this.#verifiers.get(secret);
    if (known !== undefined) return known;
    if (this.#verifiers.size > 32) this.#verifiers.clear();
    const verifier = createVerifier({
      key: secret,
      algorithms: [algorithm],
      allowedAud: audience,
      requiredClaims: ["aud", "jti", "backend", "iat", "exp"],
      ignoreExpiration: true,
    }) as (token: string) => Claims;
    this.#verifiers.set(secret, verifier);
    return verifier;
  }

  #remember(text: string, entry: { key: SigningKey; token: ConnectionToken }): void {
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size >= this.#rememberedMax && oldest !== undefined) this.#remembered.delete(oldest);
    // A copy: it may be a part of a Cookie value, all of which would be kept along with it.
    this.#remembered.set(Buffer.from(text, "latin1").toString("latin1"), entry);
  }
}

function tokenOf({ jti, sub, backend, auth, exp, rev }: Claims): ConnectionToken {
  return {
    id: jti,
    backend,
    ...(sub === undefined ? {} : { user: sub }),
    ...(auth === undefined ? {} : { auth }),
    ...(rev === undefined ? {} : { revocation: rev }),
    expiresAtMs: exp * 1000,
  };
}

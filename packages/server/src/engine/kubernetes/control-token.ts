import { createHash, createHmac } from "node:crypto";

/** The bearer token of one generation's control port: HMAC-SHA-256 of its UID by the control key, in hexadecimal. */
export function controlTokenOf(controlKey: string, uid: string): string {
  return createHmac("sha256", controlKey).update(uid).digest("hex");
}

/** What of it stands in the Pod's spec, where many may read it. */
export function controlTokenSha256Of(controlKey: string, uid: string): string {
  return createHash("sha256").update(controlTokenOf(controlKey, uid)).digest("hex");
}

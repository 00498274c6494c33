import { listItems, type MessageHead, RequestHead } from "../relay/index.ts";
import { isNotForClients } from "./own-fields.ts";

/** What is to become of the fields that hold for one connection alone (RFC 9110 7.6.1). */
export interface HopByHop {
  /** Lower-case names of fields that go no further. */
  readonly remove: readonly string[];
  readonly set: readonly (readonly [name: string, value: string])[];
}

/** Options that hold for both of our connections, since each client's has one of its own behind it. */
const sharedOptions: ReadonlySet<string> = new Set(["close", "keep-alive", "upgrade"]);

/** Whoever names these in Connection would have a message framed or routed in another way, so that they stay. */
const neverHopByHop: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "transfer-encoding",
  "host",
  "upgrade",
  "trailer",
]);

const alwaysHopByHop: readonly string[] = ["keep-alive", "proxy-connection"];

/** Most heads have none of these. */
const concerned: readonly string[] = ["connection", "te", ...alwaysHopByHop];
const unchanged: HopByHop = { remove: [], set: [] };

/**
 * Fields named in Connection end here, with Keep-Alive and Proxy-Connection; of TE, `trailers` goes on. Where an upgrade is
 * asked for or granted, fields that are named along with it belong to it (HTTP2-Settings), and go on: all but those by which we tell the next server who asks, which it would drop.
 */
export function hopByHopOf(head: MessageHead): HopByHop {
  if (!head.hasAny(concerned)) return unchanged;
  const isUpgrade = head instanceof RequestHead ? head.upgrade !== undefined : head.has("upgrade");
  const remove = alwaysHopByHop.filter((name) => head.has(name));
  const set: [string, string][] = [];
  const takesTrailers = head.hasToken("te", "trailers");
  if (head.has("te")) {
    remove.push("te");
    if (takesTrailers) set.push(["te", "trailers"]);
  }
  const given = head.headers("connection").flatMap(listItems);
  const kept = given.filter((option) => {
    const name = option.toLowerCase();
    if (sharedOptions.has(name)) return true;
    if (name === "te") return takesTrailers;
    if (name === "" || neverHopByHop.has(name) || alwaysHopByHop.includes(name)) return false;
    if (isUpgrade) return !isNotForClients(name);
    remove.push(name);
    return false;
  });
  if (kept.length < given.length) {
    remove.push("connection");
    if (kept.length > 0) set.push(["connection", kept.join(", ")]);
  }
  return { remove, set };
}

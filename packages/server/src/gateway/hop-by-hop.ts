import { type FieldPair, listItems, type MessageHead, RequestHead } from "../relay/index.ts";
import { isNotForClients } from "./own-fields.ts";
import { isPassedProtocol, passesUpgrade } from "./upgrades.ts";

/** What is to become of the fields that hold for one connection alone (RFC 9110 7.6.1). */
export interface HopByHop {
  /** Lower-case names of fields that go no further. */
  readonly remove: readonly string[];
  /** Fields that go on with another value. */
  readonly set: readonly FieldPair[];
}

/** Options that hold for both of our connections, since each client's has one of its own behind it. */
const sharedOptions: ReadonlySet<string> = new Set(["close", "keep-alive"]);

/** Whoever names these in Connection would have a message framed or routed in another way, so that they stay. */
const neverHopByHop: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "transfer-encoding",
  "host",
  "upgrade",
  "trailer",
]);

/** HTTP2-Settings comes with an upgrade that ends here (RFC 7540 3.2.1). */
const alwaysHopByHop: readonly string[] = ["keep-alive", "proxy-connection", "http2-settings"];

const unchanged: HopByHop = { remove: [], set: [] };

/**
 * Fields named in Connection end here, with Keep-Alive and Proxy-Connection; of TE, `trailers` goes on. Upgrade goes on without
 * the protocols that programs are not asked for. Where one is left, or granted, fields that are named along with it belong to it,
 * and go on: all but those by which we tell the next server who asks, which it would drop.
 */
export function hopByHopOf(head: MessageHead): HopByHop {
  const remove = alwaysHopByHop.filter((name) => head.has(name));
  // Most heads have nothing else, beside a Connection that says whether it is kept open.
  const isPlain = !head.has("te") && !head.has("upgrade") && head.headers("connection").every(isShared);
  if (isPlain) return remove.length === 0 ? unchanged : { remove, set: [] };
  const set: FieldPair[] = [];
  const asked = head.headers("upgrade").flatMap(listItems);
  const passed = head instanceof RequestHead ? asked.filter(isPassedProtocol) : asked;
  if (passed.length < asked.length) {
    remove.push("upgrade");
    if (passed.length > 0) set.push(["upgrade", passed.join(", ")]);
  }
  const isUpgrade = head instanceof RequestHead ? passesUpgrade(head) : asked.length > 0;
  const takesTrailers = head.hasToken("te", "trailers");
  if (head.has("te")) {
    remove.push("te");
    if (takesTrailers) set.push(["te", "trailers"]);
  }
  const given = head.headers("connection").flatMap(listItems);
  const kept = given.filter((option) => {
    const name = option.toLowerCase();
    if (name === "upgrade") return passed.length > 0 || asked.length === 0;
    if (isShared(name)) return true;
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

function isShared(option: string): boolean {
  return sharedOptions.has(option.toLowerCase());
}

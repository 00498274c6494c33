import { type BlockList, isIP } from "node:net";
import { FieldLines, type FieldPair, listItems, type RequestHead } from "../relay/index.ts";
import { isPlainPath } from "./plain-path.ts";
import { hostOf } from "./route.ts";

/** How a client reached this server, as far as that can be believed. */
export interface ClientView {
  /** Addresses from the client's own to that of the last proxy, the one that is connected to us. */
  readonly addresses: readonly string[];
  readonly proto: "http" | "https";
  /** With its port; "" where none is known. */
  readonly host: string;
  /** The host that the request itself names, whatever a proxy says of it. */
  readonly askedHost: string;
  /** What a proxy in front has taken off the path: "", or `/base`. */
  readonly prefix: string;
}

export interface ViewOptions {
  /** Of whoever is connected to us. */
  readonly clientAddress: string;
  /** What clients speak, unless a proxy that is trusted says otherwise. */
  readonly proto: "http" | "https";
  /** Whose fields are believed. Default: nobody's. */
  readonly trustedProxies?: BlockList | undefined;
}

/** Fields that say how a client reached a server; what a client itself says there is not passed on. */
const toldByProxies: ReadonlySet<string> = new Set(
  ["for", "proto", "host", "prefix", "port", "scheme", "ssl", "server"].map((name) => `x-forwarded-${name}`),
);

/** Whether a field is one of those, for whoever takes other characters for a `-`. */
export function isToldByProxies(lowerName: string): boolean {
  return lowerName === "forwarded" || (lowerName.startsWith("x") && toldByProxies.has(asPrograms(lowerName)));
}

/**
 * A field's name as a program may take it: what CGI makes of it (RFC 3875 4.1.18) has `_` for each `-`, and many a server
 * makes that of anything else that is no letter or digit.
 */
export function asPrograms(lowerName: string): string {
  return lowerName.replace(/[^a-z0-9]/g, "-");
}

/** Whether what this address says of its clients is believed. */
function isTrusted(address: string, trustedProxies: BlockList | undefined): boolean {
  if (trustedProxies === undefined) return false;
  const family = isIP(address);
  return family !== 0 && trustedProxies.check(address, family === 6 ? "ipv6" : "ipv4");
}

/**
 * How the client of a request reached us. A trusted proxy is believed in what its X-Forwarded fields say. Its Forwarded field
 * (RFC 7239) only where it sends none of those: a proxy that sets only the ones passes the other on as the client sent it.
 */
export function viewOf(head: RequestHead, { clientAddress, proto, trustedProxies }: ViewOptions): ClientView {
  const askedHost = hostOf(head);
  const address = plainAddress(clientAddress);
  if (!isTrusted(address, trustedProxies)) {
    return { addresses: [address], proto, host: askedHost, askedHost, prefix: "" };
  }
  const told = head.fields.some(({ lowerName }) => lowerName.startsWith("x-forwarded-"))
    ? fromXForwarded(head)
    : fromForwarded(head.header("forwarded") ?? "");
  return {
    addresses: [...told.addresses, address],
    proto: told.proto === "http" || told.proto === "https" ? told.proto : proto,
    host: told.host || askedHost,
    askedHost,
    // It is put in front of paths for browsers, in Location and in the Path of a cookie.
    prefix: isPlainPath(told.prefix) ? told.prefix.replace(/\/$/, "") : "",
  };
}

/** The fields that tell a program of it; `prefix` is what was taken off the path here. */
export function forwardedFields(view: ClientView, prefix: string): FieldPair[] {
  const { addresses, proto, host } = view;
  return [
    ["x-forwarded-for", addresses.join(", ")],
    ["x-forwarded-proto", proto],
    ...(host === "" ? [] : [["x-forwarded-host", host] as const]),
    ...(view.prefix === "" && prefix === "" ? [] : [["x-forwarded-prefix", `${view.prefix}${prefix}`] as const]),
    ["forwarded", asForwarded(view)],
  ];
}

/** The same as lines, which are kept for the next request: most requests that a backend gets come from one client. */
export class ForwardedLines {
  #last: { readonly view: ClientView; readonly prefix: string; readonly lines: FieldLines } | undefined;

  of(view: ClientView, prefix: string): FieldLines {
    if (this.#last?.prefix === prefix && isSame(this.#last.view, view)) return this.#last.lines;
    const lines = new FieldLines(forwardedFields(view, prefix));
    this.#last = { view, prefix, lines };
    return lines;
  }
}

function isSame(a: ClientView, b: ClientView): boolean {
  const isAlike = a.host === b.host && a.proto === b.proto && a.prefix === b.prefix;
  return (
    isAlike && a.addresses.length === b.addresses.length && a.addresses.every((each, at) => each === b.addresses[at])
  );
}

/** IPv4 over an IPv6 socket is IPv4. A client that has gone already has no address. */
function plainAddress(address: string): string {
  return (address.startsWith(":") ? address.replace(/^::ffff:(?=[0-9.]+$)/i, "") : address) || "unknown";
}

interface Told {
  readonly addresses: readonly string[];
  readonly proto: string;
  readonly host: string;
  readonly prefix: string;
}

/** Where proxies have made lists of them, the first is the one that the client has met. */
function fromXForwarded(head: RequestHead): Told {
  const list = (name: string) => listItems(head.header(name) ?? "");
  return {
    addresses: list("x-forwarded-for").filter((item) => item !== ""),
    proto: list("x-forwarded-proto")[0]?.toLowerCase() ?? "",
    host: list("x-forwarded-host")[0] ?? "",
    prefix: list("x-forwarded-prefix")[0] ?? "",
  };
}

/** One parameter of an element of Forwarded, and what ends it: `;` goes on with the element, `,` begins the next one. */
const parameter = /[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:([^\s",;]*)|"((?:[^"\\]|\\.)*)")[ \t]*(;|,|$)/y;

function fromForwarded(value: string): Told {
  const addresses: string[] = [];
  const first = { proto: "", host: "" };
  let element = 0;
  parameter.lastIndex = 0;
  for (let found = parameter.exec(value); found !== null; found = parameter.exec(value)) {
    const [, name = "", token, quoted = "", end] = found;
    const text = token ?? quoted.replace(/\\(.)/g, "$1");
    const lowerName = name.toLowerCase();
    if (lowerName === "for") addresses.push(text.replace(/^\[(.*)\](:[0-9]+)?$/, "$1"));
    if (element === 0 && lowerName === "proto") first.proto = text.toLowerCase();
    if (element === 0 && lowerName === "host") first.host = text;
    if (end === ",") element += 1;
    if (parameter.lastIndex === value.length) break;
  }
  return { addresses, ...first, prefix: "" };
}

/** RFC 7239 4: an element for each hop; the first tells of the client, so that host and protocol belong there. */
function asForwarded({ addresses, proto, host }: ClientView): string {
  return addresses
    .map((address, index) => {
      const node = `for=${quoted(isIP(address) === 6 ? `[${address}]` : address)}`;
      if (index > 0) return node;
      return `${node}${host === "" ? "" : `;host=${quoted(host)}`};proto=${proto}`;
    })
    .join(", ");
}

function quoted(text: string): string {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text) ? text : `"${text.replace(/["\\]/g, "\\$&")}"`;
}

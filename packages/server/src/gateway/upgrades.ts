import { listItems, type RequestHead, type ResponseHead } from "../relay/index.ts";

/** A protocol of an Upgrade field (RFC 9110 7.8): its name, and a version. */
const protocol = /^([!#$%&'*+\-.^_`|~0-9a-z]+)(?:\/[!#$%&'*+\-.^_`|~0-9a-z]+)?$/i;

/** Names of HTTP, in whatever version, and of what has HTTP in it from its first byte on (RFC 2817). */
const httpName = /^(?:https?|h[0-9].*|spdy|tls)$/i;

/**
 * Whether programs are asked for an upgrade to this: not to what would bring further requests past us, with whatever fields
 * their client likes, nor to what is malformed and may be read as anything. A server may pass over an upgrade (RFC 9110 7.8),
 * and answers as usual then.
 */
export function isPassedProtocol(item: string): boolean {
  const [, name] = protocol.exec(item) ?? [];
  return name !== undefined && !httpName.test(name);
}

/** Whether anything is left of the upgrade that a request asks for. */
export function passesUpgrade(head: RequestHead): boolean {
  return head.upgrade !== undefined && head.headers("upgrade").flatMap(listItems).some(isPassedProtocol);
}

/** Throws where a program upgrades to what it was not asked for. */
export function checkUpgraded(head: ResponseHead): void {
  if (head.status !== 101) return;
  const strange = head
    .headers("upgrade")
    .flatMap(listItems)
    .find((item) => !isPassedProtocol(item));
  if (strange !== undefined)
    throw new Error(`an upgrade to ${JSON.stringify(strange)} was answered, and not asked for`);
}

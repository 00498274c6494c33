import type { MessageHead, RequestHead, ResponseHead } from "./head.ts";

const isTarget = /^[!-~\x80-\xff]+$/;
const notInValue = /[^\t\x20-\x7e\x80-\xff]/;
const allNotInValue = new RegExp(notInValue, "g");

/** Names of fields are lower-case. */
export interface FieldChanges {
  /** Fields to leave out. */
  readonly remove?: readonly string[];
  /** Fields to add, in place of any with the same name. */
  readonly set?: readonly (readonly [name: string, value: string])[];
  /** Gives the new values of these fields, or null to leave one out. */
  readonly map?: Readonly<Record<string, (value: string) => string | null>>;
}

/**
 * The head with another target and other fields; lines that do not change keep their bytes and their order. Throws
 * where the target could not be one.
 */
export function rewriteRequestHead(head: RequestHead, changes: FieldChanges & { readonly target?: string }): Buffer {
  const { target } = changes;
  if (target === undefined) return rewrite(head, head.firstLine, changes);
  if (!isTarget.test(target))
    throw new Error(`a request's target has no spaces or controls: ${JSON.stringify(target)}`);
  return rewrite(head, `${head.method} ${target} HTTP/1.${head.minorVersion}\r\n`, changes);
}

/** The head with other fields. */
export function rewriteResponseHead(head: ResponseHead, changes: FieldChanges): Buffer {
  return rewrite(head, head.firstLine, changes);
}

function rewrite(head: MessageHead, firstLine: string, changes: FieldChanges): Buffer {
  let text = firstLine + keptLines(head, changes);
  for (const [name, value] of changes.set ?? []) text += `${name}: ${asValue(value)}\r\n`;
  return Buffer.from(`${text}\r\n`, "latin1");
}

/** Of the fields that are there, few change in most heads: all lines between two of these are copied at once. */
function keptLines(head: MessageHead, { remove = [], set = [], map = {} }: FieldChanges): string {
  const dropped = remove.filter((name) => head.has(name));
  for (const [name] of set) if (head.has(name)) dropped.push(name);
  const mapped = Object.keys(map).filter((name) => head.has(name));
  return head.lines([...dropped, ...mapped], ({ name, lowerName, value }, line) => {
    const changed = dropped.includes(lowerName) ? null : map[lowerName]?.(value);
    if (changed === null) return "";
    return changed === undefined || changed === value ? line : `${name}: ${asValue(changed)}\r\n`;
  });
}

/**
 * A value never ends its line. Characters that latin1 does not have go as well: Buffer cuts them down to their low
 * byte, which for U+010D and U+010A is CR and LF.
 */
function asValue(value: string): string {
  return notInValue.test(value) ? value.replace(allNotInValue, " ") : value; // a replacement costs more where there is none
}

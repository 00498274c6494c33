import type { MessageHead } from "./message-head.ts";
import type { RequestHead } from "./request-head.ts";
import type { ResponseHead } from "./response-head.ts";

const isTarget = /^[!-~\x80-\xff]+$/;
const notInValue = /[^\t\x20-\x7e\x80-\xff]/;
const allNotInValue = new RegExp(notInValue, "g");

export type FieldPair = readonly [lowerName: string, value: string];

/** Fields to add to heads, as they are written: made once where many heads get the same. */
export class FieldLines {
  readonly names: readonly string[];
  readonly text: string;

  constructor(fields: readonly FieldPair[]) {
    this.names = fields.map(([name]) => name);
    this.text = fields.map(lineOf).join("");
  }
}

/** Names of fields are lower-case. */
export interface FieldChanges {
  /** Fields to leave out. */
  readonly remove?: readonly string[];
  /** Fields to add, in place of any with the same name. */
  readonly set?: readonly (FieldPair | FieldLines)[];
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
  for (const each of changes.set ?? []) text += each instanceof FieldLines ? each.text : lineOf(each);
  return Buffer.from(`${text}\r\n`, "latin1");
}

/** Of the fields that are there, few change in most heads, and none in many: all lines between two of these are copied at once. */
function keptLines(head: MessageHead, { remove = [], set = [], map }: FieldChanges): string {
  const dropped: string[] = [];
  const drop = (name: string) => head.has(name) && dropped.push(name);
  remove.forEach(drop);
  for (const each of set) {
    if (each instanceof FieldLines) each.names.forEach(drop);
    else drop(each[0]);
  }
  const names = map === undefined ? [] : Object.keys(map).filter((name) => head.has(name));
  if (dropped.length + names.length === 0) return head.lines;
  return head.linesWith({ dropped, names }, ({ name, lowerName, value }) => {
    const changed = map?.[lowerName]?.(value);
    if (changed === null) return "";
    return changed === undefined || changed === value ? undefined : lineOf([name, changed]);
  });
}

function lineOf([name, value]: readonly [name: string, value: string]): string {
  return `${name}: ${asValue(value)}\r\n`;
}

/**
 * A value never ends its line. Characters that latin1 does not have go as well: Buffer cuts them down to their low
 * byte, which for U+010D and U+010A is CR and LF.
 */
function asValue(value: string): string {
  return notInValue.test(value) ? value.replace(allNotInValue, " ") : value; // a replacement costs more where there is none
}

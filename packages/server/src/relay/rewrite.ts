import type { MessageHead, RequestHead, ResponseHead } from "./head.ts";

const isTarget = /^[!-~\x80-\xff]+$/;
const notInValue = /[^\t\x20-\x7e\x80-\xff]/;
const allNotInValue = new RegExp(notInValue, "g");

export interface FieldChanges {
  /** Names of fields to leave out. */
  readonly remove?: readonly string[];
  /** Fields to add, in place of any with the same name. */
  readonly set?: readonly (readonly [name: string, value: string])[];
  /** Gives the new value of a field, undefined to leave it as it came, byte for byte, or null to leave it out. */
  readonly map?: (lowerName: string, value: string) => string | null | undefined;
}

/**
 * The head with another target and other fields; lines that do not change keep their bytes and their order. Throws
 * where the target could not be one.
 */
export function rewriteRequestHead(head: RequestHead, changes: FieldChanges & { readonly target?: string }): Buffer {
  const { target } = changes;
  if (target === undefined) return rewrite(head, firstLine(head), changes);
  if (!isTarget.test(target))
    throw new Error(`a request's target has no spaces or controls: ${JSON.stringify(target)}`);
  return rewrite(head, `${head.method} ${target} HTTP/1.${head.minorVersion}`, changes);
}

/** The head with other fields. */
export function rewriteResponseHead(head: ResponseHead, changes: FieldChanges): Buffer {
  const { remove = [], set = [], map } = changes;
  if (remove.length === 0 && set.length === 0 && map === undefined) return head.raw;
  return rewrite(head, firstLine(head), changes);
}

function rewrite(head: MessageHead, first: string, { remove = [], set = [], map }: FieldChanges): Buffer {
  const dropped = [...remove, ...set.map(([name]) => name)];
  const kept = map === undefined ? head.linesWithout(dropped) : mappedLines(head, dropped, map);
  let text = `${first}\r\n${kept}`;
  for (const [name, value] of set) text += `${name}: ${asValue(value)}\r\n`;
  return Buffer.from(`${text}\r\n`, "latin1");
}

function mappedLines(head: MessageHead, names: readonly string[], map: NonNullable<FieldChanges["map"]>): string {
  const dropped = names.map((name) => name.toLowerCase());
  const lines = head.linesWithout([]).split("\r\n");
  const kept = head.fields.flatMap(({ name, lowerName, value }, index) => {
    if (dropped.includes(lowerName)) return [];
    const changed = map(lowerName, value);
    if (changed === null) return [];
    return [changed === undefined || changed === value ? lines[index] : `${name}: ${asValue(changed)}`];
  });
  return kept.map((line) => `${line}\r\n`).join("");
}

function firstLine(head: MessageHead): string {
  return head.raw.toString("latin1", 0, head.raw.indexOf("\r\n"));
}

/**
 * A value never ends its line. Characters that latin1 does not have go as well: Buffer cuts them down to their low
 * byte, which for U+010D and U+010A is CR and LF.
 */
function asValue(value: string): string {
  return notInValue.test(value) ? value.replace(allNotInValue, " ") : value; // a replacement costs more where there is none
}

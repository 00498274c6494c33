import type { Field, MessageHead, RequestHead, ResponseHead } from "./head.ts";

export interface FieldChanges {
  /** Names of fields to leave out. */
  readonly remove?: readonly string[];
  /** Fields to add, in place of any with the same name. */
  readonly set?: readonly (readonly [name: string, value: string])[];
  /** Gives the new value of a field, or undefined to leave it as it came, byte for byte. */
  readonly map?: (lowerName: string, value: string) => string | undefined;
}

/** The head with another target and other fields; lines that do not change keep their bytes and their order. */
export function rewriteRequestHead(head: RequestHead, changes: FieldChanges & { readonly target?: string }): Buffer {
  const first =
    changes.target === undefined ? firstLine(head) : `${head.method} ${changes.target} HTTP/1.${head.minorVersion}`;
  return rewrite(head, first, changes);
}

/** The head with other fields. */
export function rewriteResponseHead(head: ResponseHead, changes: FieldChanges): Buffer {
  return rewrite(head, firstLine(head), changes);
}

function rewrite(head: MessageHead, first: string, { remove = [], set = [], map }: FieldChanges): Buffer {
  const dropped = new Set([...remove, ...set.map(([name]) => name)].map((name) => name.toLowerCase()));
  const lines = head.raw.toString("latin1", 0, head.raw.length - 4).split("\r\n");
  const kept = head.fields.flatMap((field, index) => {
    if (dropped.has(field.lowerName)) return [];
    return [changedLine(field, map) ?? lines[index + 1] ?? ""];
  });
  const added = set.map(([name, value]) => `${name}: ${withoutLineBreaks(value)}`);
  return Buffer.from(`${[first, ...kept, ...added].join("\r\n")}\r\n\r\n`, "latin1");
}

function changedLine({ name, lowerName, value }: Field, map: FieldChanges["map"]): string | undefined {
  const changed = map?.(lowerName, value);
  return changed === undefined || changed === value ? undefined : `${name}: ${withoutLineBreaks(changed)}`;
}

function firstLine(head: MessageHead): string {
  return head.raw.toString("latin1", 0, head.raw.indexOf("\r\n"));
}

/** A value never ends its line. */
function withoutLineBreaks(value: string): string {
  return value.replace(/[\r\n\0]/g, " ");
}

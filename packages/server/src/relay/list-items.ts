import { isBlank } from "./head-bytes.ts";

/** The members of a list (RFC 9110 5.6.1). White space is SP and HTAB: what `trim` takes off beside, as U+00A0, others keep. */
export function listItems(value: string): string[] {
  return value.split(",").map(withoutBlanks);
}

function withoutBlanks(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isBlank(text.charCodeAt(from))) from += 1;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to -= 1;
  return text.slice(from, to);
}

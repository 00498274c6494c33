import { stripVTControlCharacters } from "node:util";

/** What a program wrote, so that it can do nothing to the terminal: without its colours and control characters. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to be taken out
  return stripVTControlCharacters(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "");
}

/** The same in one line: what was a line's end stays visible. */
export function oneLine(text: string): string {
  return printable(text.trim().replace(/\s*[\r\n]\s*/g, " ⏎ "));
}

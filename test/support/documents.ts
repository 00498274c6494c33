import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A fenced block of a document. */
export interface CodeBlock {
  readonly language: string;
  readonly text: string;
  /** Where it begins, for messages. */
  readonly line: number;
}

const root = new URL("../../", import.meta.url);

/** The text of a document of this repository, by its path from the root. */
export function readDocument(path: string): string {
  return readFileSync(fileURLToPath(new URL(path, root)), "utf8");
}

/** Every fenced block, in order. */
export function codeBlocks(markdown: string): CodeBlock[] {
  return [...markdown.matchAll(/^```(\S*)\n(.*?)^```$/gms)].map(({ index, 1: language = "", 2: text = "" }) => ({
    language,
    text,
    line: markdown.slice(0, index).split("\n").length,
  }));
}

/** The block whose first line names this file: `// server.mjs`, `<!-- page.html -->`. Throws where there is none. */
export function fileBlock(markdown: string, name: string): string {
  const block = codeBlocks(markdown).find(({ text }) =>
    text.split("\n", 1)[0]?.replace(/ -->$/, "").endsWith(` ${name}`),
  );
  if (block === undefined) throw new Error(`no block begins with the name ${name}`);
  return block.text;
}

/** A document without its fenced blocks. */
export function prose(markdown: string): string {
  return markdown.replace(/^```.*?^```$/gms, "");
}

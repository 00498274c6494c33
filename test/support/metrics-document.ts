import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export interface DocumentedMetric {
  readonly type: string;
  /** Label -> its values; undefined where they are told and not listed. */
  readonly labels: Readonly<Record<string, readonly string[] | undefined>>;
}

const document = fileURLToPath(new URL("../../docs/metrics.md", import.meta.url));
const row = /^\| `([a-z_]+)` +\| ([a-z]+) +\| (.*?) *\| .+ \|$/;
const list = /^- `([a-z_]+)` of `([a-z_]+)`: (.+(?:\n {2}.+)*)$/gm;

/** What docs/metrics.md says: its tables, and its lists of the values of labels. */
export function readDocument(): ReadonlyMap<string, DocumentedMetric> {
  const text = readFileSync(document, "utf8");
  const rows = text.split("\n").filter((line) => line.startsWith("| `"));
  return new Map(
    rows.map((line) => {
      const [, name = "", type = "", labels = ""] = row.exec(line) ?? [];
      if (name === "") throw new Error(`not a row of the table: ${line}`);
      const named = quoted(labels).map((label) => [label, valuesOf(text, { name, label })] as const);
      return [name, { type, labels: Object.fromEntries(named) }];
    }),
  );
}

function valuesOf(text: string, wanted: { name: string; label: string }): readonly string[] | undefined {
  const found = [...text.matchAll(list)].find(([, label, name]) => label === wanted.label && name === wanted.name);
  if (found === undefined) throw new Error(`no list of the values of ${wanted.label} of ${wanted.name}`);
  const values = quoted(found[3] ?? "");
  return values.length === 0 ? undefined : values;
}

function quoted(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, word = ""]) => word);
}

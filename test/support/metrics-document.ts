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

/** Headings of the sections about what is on a cluster only. */
const sections = { cluster: "## On a cluster", sidecar: "## The sidecar" } as const;

/**
 * What docs/metrics.md says: its tables, and its lists of the values of labels. Of `dev` and `serve`, where nothing else is
 * asked for.
 */
export function readDocument({ of }: { of?: keyof typeof sections } = {}): ReadonlyMap<string, DocumentedMetric> {
  const whole = readFileSync(document, "utf8");
  const own = Object.values(sections).map((heading) => sectionOf(whole, heading));
  const text =
    of === undefined ? own.reduce((rest, section) => rest.replace(section, ""), whole) : sectionOf(whole, sections[of]);
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

function sectionOf(text: string, heading: string): string {
  const start = text.indexOf(`${heading}\n`);
  if (start < 0) throw new Error(`no section ${heading}`);
  const end = text.indexOf("\n## ", start + heading.length);
  return text.slice(start, end < 0 ? text.length : end);
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

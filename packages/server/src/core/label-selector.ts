/**
 * Label selectors as Kubernetes has them, equality-based and set-based.
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
 */

/** What a backend's labels have to be like. */
type LabelRequirement =
  /** It has the label, or has not, whatever its value. */
  | { readonly kind: "exists" | "absent"; readonly label: string }
  /** Its value is one of these; or is none of these, which is true of a label that it has not. */
  | { readonly kind: "in" | "notIn"; readonly label: string; readonly values: readonly string[] };

/** All of them have to be met. */
export type LabelSelector = readonly LabelRequirement[];

const word = "[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?";
const label = `(?:[a-z0-9.-]{1,253}/)?${word}`;
const value = `(?:${word})?`;
const valueList = `${value}(?:, ?${value})*`;
const requirement = `(?:!${label}|${label}(?:(?:==?|!=)${value}| (?:in|notin) ?\\(${valueList}\\))?)`;

/** `team=maps`, `stage!=test`, `stage in (test, live)`, `stage notin (test)`, `team`, `!team`; several with commas. */
export const labelSelectorPattern = `^${requirement}(?:, ?${requirement})*$`;

const requirements = new RegExp(requirement, "g");
const parts = new RegExp(`^(!?)(${label})(?:(==?|!=)(${value})| (in|notin) ?\\((${valueList})\\))?$`);

/** Reads what `labelSelectorPattern` matches. */
export function parseLabelSelector(text: string): LabelSelector {
  return (text.match(requirements) ?? []).map(parseRequirement);
}

/** As the API server of Kubernetes takes it. */
export function formatLabelSelector(selector: LabelSelector): string {
  return selector.map(formatRequirement).join(",");
}

export function matchesLabels(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  return selector.every((each) => meets(Object.hasOwn(labels, each.label) ? labels[each.label] : undefined, each));
}

function parseRequirement(text: string): LabelRequirement {
  const [, not = "", label = "", equality, value = "", membership, list = ""] = parts.exec(text) ?? [];
  if (equality !== undefined) return { kind: equality === "!=" ? "notIn" : "in", label, values: [value] };
  if (membership !== undefined) {
    return { kind: membership === "in" ? "in" : "notIn", label, values: list.split(",").map((each) => each.trim()) };
  }
  return { kind: not === "!" ? "absent" : "exists", label };
}

function formatRequirement(requirement: LabelRequirement): string {
  const { kind, label } = requirement;
  switch (kind) {
    case "exists":
      return label;
    case "absent":
      return `!${label}`;
    case "in":
      return `${label} in (${requirement.values.join(",")})`;
    case "notIn":
      return `${label} notin (${requirement.values.join(",")})`;
    default:
      return kind satisfies never;
  }
}

function meets(given: string | undefined, requirement: LabelRequirement): boolean {
  switch (requirement.kind) {
    case "exists":
      return given !== undefined;
    case "absent":
      return given === undefined;
    case "in":
      return given !== undefined && requirement.values.includes(given);
    case "notIn":
      return given === undefined || !requirement.values.includes(given);
    default:
      return requirement satisfies never;
  }
}

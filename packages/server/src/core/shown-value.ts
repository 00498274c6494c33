const longestShownValue = 60;

/** `value` as JSON, cut where it is long. */
export function show(value: unknown): string {
  if (value === undefined) return "nothing";
  // JSON can say 1e999, which is read as Infinity, and which JSON.stringify would call null.
  if (typeof value === "number" && !Number.isFinite(value)) return "a number out of range";
  const text = JSON.stringify(value, (_, each) => (Math.abs(each) === Number.POSITIVE_INFINITY ? String(each) : each));
  return text.length > longestShownValue ? `${text.slice(0, longestShownValue)}… (${text.length} characters)` : text;
}

/** What a value of this JSON type is called. */
export const kindOf = (type: unknown) =>
  type === "object" ? "an object" : type === "integer" ? "a whole number" : type === "array" ? "an array" : `a ${type}`;

/** Values of environment variables, which may be secrets, and whatever was given in the place of one or of all of them. */
const secretPath = /(^|\/)env($|\/[^/]+$|\/\d+\/value$)/;

/** What was given at a path, as messages that are stored and logged may say it. */
export function showAt(root: unknown, instancePath: string): string {
  const value = valueAt(root, instancePath);
  if (!secretPath.test(instancePath)) return show(value);
  if (value === null || value === undefined) return show(value);
  return Array.isArray(value) ? kindOf("array") : kindOf(typeof value);
}

/** Which variable a problem is about, where only its place in a list is in the path. */
export function variableAt(root: unknown, instancePath: string): string {
  if (!/\/env\/\d+\/value$/.test(instancePath)) return "";
  return ` (of ${show(valueAt(root, instancePath.replace(/value$/, "name")))})`;
}

function valueAt(root: unknown, instancePath: string): unknown {
  const keys = instancePath
    .split("/")
    .slice(1)
    .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
  return keys.reduce<unknown>(
    (value, key) => (typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined),
    root,
  );
}

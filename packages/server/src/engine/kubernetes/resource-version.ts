/**
 * Whether one resource version of a collection is older than another of it: -1, 0 or 1, as for a sort; undefined where
 * they are opaque. Kubernetes promises their order since 1.35, and has kept it since ever, for what is decimal.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
 */
export function compareVersions(a: string, b: string): number | undefined {
  if (a === b) return 0;
  if (!isDecimal(a) || !isDecimal(b)) return undefined;
  // Longer than what a number holds exactly, in time.
  if (a.length !== b.length) return a.length < b.length ? -1 : 1;
  return a < b ? -1 : 1;
}

/** Whether `a` is `b` or known to be older. */
export function isNoNewer(a: string, b: string): boolean {
  const order = compareVersions(a, b);
  return order !== undefined && order <= 0;
}

function isDecimal(version: string): boolean {
  return /^[1-9][0-9]*$/.test(version);
}

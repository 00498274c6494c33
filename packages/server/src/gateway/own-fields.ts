import { asPrograms, isToldByProxies } from "./forwarded.ts";

/**
 * Whether a client has no say in a field of this lower-case name, nor in one that programs take for it: these tell a program who
 * its client is and where.
 */
export function isNotForClients(lowerName: string): boolean {
  return isOurs(lowerName) || isToldByProxies(lowerName);
}

/** Whether only Spawner sets it on the way to a program. */
function isOurs(lowerName: string): boolean {
  return lowerName.startsWith("x") && asPrograms(lowerName).startsWith("x-spawner-");
}

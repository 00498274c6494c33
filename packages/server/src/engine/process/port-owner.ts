import { groupHoldsSocket, heldSockets, holdsSocket, processGroupMembers } from "../../lib/linux-processes.ts";
import { readListeningSockets } from "../../lib/listening-sockets.ts";
import type { WorkloadIdentity } from "../engine.ts";
import { processesOf } from "./own-processes.ts";

/**
 * Tells whether a socket is held by what was started for a workload: its process group, or what has left the group and can
 * still be told to be its own.
 */
export function holdsSocketOf(workload: WorkloadIdentity, groupId: number): (inode: string) => boolean {
  return (inode) => groupHoldsSocket(groupId, inode) || processesOf(workload).some((pid) => holdsSocket(pid, inode));
}

/** The ports on which what was started for a workload listens, in order. None where that cannot be seen (not Linux). */
export function listenedPorts(workload: WorkloadIdentity, groupId: number): number[] {
  const pids = [...processGroupMembers(groupId), ...processesOf(workload)];
  const held = new Set(pids.flatMap(heldSockets));
  const own = [...readListeningSockets()].flat().filter(({ inode }) => held.has(inode));
  return [...new Set(own.map(({ port }) => port))].sort((a, b) => a - b);
}

/** Whether somebody else listens on a port. False where that cannot be seen (not Linux). */
export function strangerListens(port: number, owns: (inode: string) => boolean): boolean {
  const listening = [...readListeningSockets()].flat().filter((socket) => socket.port === port);
  return listening.length > 0 && !listening.some(({ inode }) => owns(inode));
}

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** What tells a process from a later one with the same pid. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after the boot (proc_pid_stat(5), field 22); "" where that cannot be read. */
  readonly startTime: string;
  /** Identity of the boot itself; "" where that cannot be read. */
  readonly bootId: string;
}

/** The identity of a live process; undefined if there is none, or only a zombie. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  if (stat === undefined) return hasProc() || !isAlive(pid) ? undefined : { pid, startTime: "", bootId: "" };
  return stat.state === "Z" ? undefined : { pid, startTime: stat.startTime, bootId: readBootId() };
}

/** Whether exactly this process still lives. */
export function isSameProcess(identity: ProcessIdentity): boolean {
  const now = identifyProcess(identity.pid);
  return now !== undefined && now.startTime === identity.startTime && now.bootId === identity.bootId;
}

/** The live processes of a process group (zombies excepted). Empty where there is no /proc. */
export function processGroupMembers(groupId: number): number[] {
  return allPids().filter((pid) => {
    const stat = readStat(pid);
    return stat !== undefined && stat.state !== "Z" && stat.groupId === groupId;
  });
}

/** Whether a process of the group holds this socket. The group's leader is asked first: mostly it is the one. */
export function groupHoldsSocket(groupId: number, inode: string): boolean {
  return (
    holdsSocket(groupId, inode) ||
    processGroupMembers(groupId).some((pid) => pid !== groupId && holdsSocket(pid, inode))
  );
}

export function holdsSocket(pid: number, inode: string): boolean {
  return descriptorLinks(pid).includes(`socket:[${inode}]`);
}

/** The sockets that a process holds, by inode. */
export function heldSockets(pid: number): string[] {
  return descriptorLinks(pid).flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []);
}

/** The sockets that a process and its descendants hold, by inode: cheap to read, and changed when one is made. */
export function socketsOfTree(pid: number): string {
  return [pid, ...descendantsOf(pid)]
    .flatMap(descriptorLinks)
    .filter((link) => link.startsWith("socket:"))
    .join();
}

/** By proc_pid_children(5); empty where the kernel does not offer it. */
function descendantsOf(pid: number): number[] {
  const children = listFolder(`/proc/${pid}/task`).flatMap((task) => {
    const text = readText(`/proc/${pid}/task/${task}/children`) ?? "";
    return text.split(" ").filter(Boolean).map(Number);
  });
  return children.flatMap((child) => [child, ...descendantsOf(child)]);
}

/** The live processes that were started with `name=value` in their environment. Empty where there is no /proc. */
export function processesWithEnv(name: string, value: string): number[] {
  return allPids().filter((pid) => holdsVariable(readText(`/proc/${pid}/environ`) ?? "", { name, value }));
}

interface Variable {
  readonly name: string;
  readonly value: string;
}

/** `environment` as in proc_pid_environ(5): each entry ends with a zero byte. */
function holdsVariable(environment: string, { name, value }: Variable): boolean {
  return `\0${environment}`.includes(`\0${name}=${value}\0`);
}

/** What a process may carry of those who started it, as long as it does not lose both. */
export interface ProcessMarks {
  /** A variable of its environment. */
  readonly env: Variable;
  /** The name, without its folder, of a file that is its stdout or stderr; the file may have been removed. */
  readonly outputFile: string;
}

/** The live processes that carry one of the marks. Empty where there is no /proc. */
export function markedProcesses({ env, outputFile }: ProcessMarks): number[] {
  const links = [`/${outputFile}`, `/${outputFile} (deleted)`];
  return allPids().filter((pid) => {
    const environment = readText(`/proc/${pid}/environ`);
    if (environment === undefined) return false; // another user's: nor may its descriptors be seen
    if (holdsVariable(environment, env)) return true;
    return [1, 2].some((descriptor) => {
      const target = readLink(`/proc/${pid}/fd/${descriptor}`);
      return target !== undefined && links.some((link) => target.endsWith(link));
    });
  });
}

function allPids(): number[] {
  return listFolder("/proc").map(Number).filter(Number.isInteger);
}

function descriptorLinks(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return listFolder(folder).flatMap((name) => readLink(`${folder}/${name}`) ?? []);
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // not open, or closed in between
  }
}

function listFolder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // the process is gone, or another user's
  }
}

function readStat(pid: number): { state: string; groupId: number; startTime: string } | undefined {
  const text = readText(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The command's name, in parentheses, may hold anything: fields are counted from its end (proc_pid_stat(5)).
  const [state = "", , group, ...rest] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state, groupId: Number(group), startTime: rest[16] ?? "" };
}

function readBootId(): string {
  return readText("/proc/sys/kernel/random/boot_id")?.trim() ?? "";
}

function hasProc(): boolean {
  return readText("/proc/self/stat") !== undefined;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // gone, or not Linux
  }
}

/** Whether a process with this pid lives: signal 0 only asks. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

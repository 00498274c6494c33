import { execFileSync, spawn } from "node:child_process";

export interface NetFault {
  readonly ip: string;
  readonly port: number;
  /**
   * `drop`: packets of both directions go nowhere; `drop answers`: only those that come back, so that a stream is open on one
   * side and silent; `reset`: both sides are told that the connection is gone.
   */
  readonly kind: "drop" | "drop answers" | "reset";
}

const hooks = ["INPUT", "OUTPUT", "FORWARD"];
let chainsMade = 0;

/**
 * Breaks the way to one port of one address, for what runs on this machine and for its Pods: a fault for a cluster of this one
 * machine, by its root. Lasts until what is returned is called, or this process ends, however it does: what stayed would break
 * the next Pod that is given the address.
 */
export function breakNetwork({ ip, port, kind }: NetFault): () => void {
  const chain = `SPAWNER-TEST-${process.pid}-${chainsMade++}`;
  const target = kind === "reset" ? ["REJECT", "--reject-with", "tcp-reset"] : ["DROP"];
  const removal = [...hooks.map((hook) => ["-D", hook, "-j", chain]), ["-F", chain], ["-X", chain]];
  const commands = removal.map((args) => `iptables -w 10 ${args.join(" ")}`);
  // Reads until this process has closed its end of the pipe, or is killed.
  const heir = spawn("sh", ["-c", `read -r _; ${commands.join("; ")}`], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  heir.unref();
  const mend = () => {
    for (const args of removal) attempt(args);
    heir.stdin.end();
  };
  try {
    iptables(["-N", chain]);
    // The word that the connection is gone is to arrive itself.
    if (kind === "reset") iptables(["-A", chain, "-p", "tcp", "--tcp-flags", "RST", "RST", "-j", "RETURN"]);
    if (kind !== "drop answers")
      iptables(["-A", chain, "-p", "tcp", "-d", ip, "--dport", String(port), "-j", ...target]);
    iptables(["-A", chain, "-p", "tcp", "-s", ip, "--sport", String(port), "-j", ...target]);
    for (const hook of hooks) iptables(["-I", hook, "1", "-j", chain]);
    return mend;
  } catch (error) {
    mend();
    throw error;
  }
}

/** Waits for the lock that others may hold. */
function iptables(args: readonly string[]): void {
  execFileSync("iptables", ["-w", "10", ...args], { stdio: "pipe" });
}

/** What is not there any more needs no removal. */
function attempt(args: readonly string[]): void {
  try {
    iptables(args);
  } catch {}
}

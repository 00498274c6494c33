import type { Command } from "commander";
import { jsonFlag } from "./client-flags.ts";
import type { Finding } from "./doctor/finding.ts";
import { exitCodes } from "./exit-codes.ts";
import { addClusterFlags } from "./role-flags.ts";

interface DoctorFlags {
  namespace?: string;
  kubeconfig?: string;
  json?: true;
}

const help = `
Examples:
  spawner doctor                                                    with your own kubeconfig
  spawner doctor --json --namespace play                            for programs: one finding a line
  kubectl exec --namespace spawner daemonset/spawner-sweeper -- spawner doctor
      from where the sweeper is: whether sidecars can be reached

It changes nothing. It exits with ${exitCodes.failure} where something is wrong, and says what to do. What the account that it runs as may
not read is said not to be checked: an administrator's kubeconfig sees everything.`;

export function addDoctorCommand(program: Command): void {
  addClusterFlags(program.command("doctor").helpGroup("Commands for Kubernetes:"))
    .description(
      "Check what Spawner needs of a cluster: its version, resource, rights, Secrets, clock, roles, sidecars, Pods",
    )
    .addOption(jsonFlag())
    .addHelpText("after", help)
    .action(async ({ json, ...flags }: DoctorFlags) => {
      const { runDoctor } = await import("./run-doctor.ts"); // here: no other command has to load what it needs
      const findings = await runDoctor(flags);
      for (const finding of findings) process.stdout.write(json ? `${JSON.stringify(finding)}\n` : lineOf(finding));
      if (findings.some(({ level }) => level === "wrong")) process.exitCode = exitCodes.failure;
    });
}

function lineOf({ level, subject, message, advice }: Finding): string {
  const indent = " ".repeat(9);
  return `${level.padEnd(9)}${subject}: ${message}\n${advice === undefined ? "" : `${indent}→ ${advice}\n`}`;
}

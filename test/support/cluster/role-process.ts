import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { collect, spawnerCommand } from "../dev.ts";
import type { ApiProxy } from "./api-proxy.ts";
import { testImage } from "./overlay.ts";

export interface RoleProcessOptions {
  readonly namespace: string;
  /** Where it finds the API server. Default: where KUBECONFIG says. */
  readonly proxy?: ApiProxy;
  /** As whom it comes to the proxy. Default: as the administrator. */
  readonly token?: string;
  readonly flags?: readonly string[];
}

export interface RoleProcess {
  readonly pid: number;
  /** All that it has logged. */
  readonly log: () => string;
  /** Where a gateway or an api serves: `http://127.0.0.1:…`. */
  readonly url: string;
  /** Of its health server. */
  readonly healthUrl: string;
  /** What it exited with, when it has ended; null where a signal killed it. */
  readonly exited: Promise<number | null>;
  /** Resolves when it has ended, by this signal or before. */
  end(signal: NodeJS.Signals): Promise<void>;
}

type Role = "controller" | "sweeper" | "gateway" | "api";

const flagsOf: Record<Role, readonly string[]> = {
  controller: ["--sidecar", testImage],
  sweeper: [],
  gateway: ["--port", "0", "--service-prefix", ""],
  api: ["--port", "0", "--service-prefix", "", "--allow-anonymous"],
};

/** A role as a process of its own, `spawner ROLE`. Resolves when it runs and, where it serves, does so. */
export async function startRoleProcess(
  role: Role,
  { namespace, proxy, token, flags = [] }: RoleProcessOptions,
): Promise<RoleProcess> {
  const folder = mkdtempSync(join(tmpdir(), "spawner-role-"));
  const kubeconfig = join(folder, "kubeconfig");
  if (proxy !== undefined) writeFileSync(kubeconfig, proxy.kubeconfig(token === undefined ? {} : { token }));
  const place = ["--namespace", namespace, "--host", "127.0.0.1", "--metrics-port", "0"];
  const reached = proxy === undefined ? [] : ["--kubeconfig", kubeconfig];
  const [program = "", ...args] = spawnerCommand([role, ...place, ...reached, ...flagsOf[role], ...flags]);
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const output = collect(child);
  const exited = once(child, "exit");
  try {
    const serves = role === "gateway" || role === "api";
    const [, healthPort] = await output.waitFor(/"healthPort":(\d+)/);
    const [, port] = await output.waitFor(serves ? /"port":(\d+)[^\n]*"msg":"serving"/ : /"msg":"started"()/);
    return {
      pid: child.pid ?? 0,
      log: () => output.text,
      url: `http://127.0.0.1:${port}`,
      healthUrl: `http://127.0.0.1:${healthPort}`,
      exited: exited.then(([code]) => code as number | null),
      async end(signal) {
        child.kill(signal);
        await exited;
      },
    };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

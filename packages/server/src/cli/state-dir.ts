import { mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

export interface StateDir {
  readonly path: string;
  /** To be called at the end: removes a folder that nobody will look for. */
  cleanUp(): void;
}

/** Of this user and port, so that what a crash left behind is found again; with any port a folder that goes at the end. */
export function devStateDir({ stateDir, port }: { stateDir?: string; port: number }): StateDir {
  if (stateDir !== undefined) return keep(stateDir);
  if (port !== 0) return keep(join(stateHome(), `dev-${port}`));
  const path = mkdtempSync(join(tmpdir(), "spawner-dev-"));
  return { path, cleanUp: () => rmSync(path, { recursive: true, force: true }) };
}

/** The same at each start, whatever the port, so that sessions are found again; systemd's (StateDirectory=) under systemd. */
export function serveStateDir({ stateDir }: { stateDir?: string }): string {
  if (stateDir !== undefined) return stateDir;
  // A list where the unit names several (systemd.exec(5)).
  const [ofSystemd] = (process.env.STATE_DIRECTORY ?? "").split(":");
  return ofSystemd || join(stateHome(), "serve");
}

function keep(path: string): StateDir {
  return { path, cleanUp() {} };
}

function stateHome(): string {
  return join(process.env.XDG_STATE_HOME || join(homedir(), ".local", "state"), "spawner");
}

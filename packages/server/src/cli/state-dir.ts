import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const devPrefix = "dev-";
/** Of one that serves on any port: nobody else will look for it. */
const anyPortPrefix = `${devPrefix}0-`;

export interface DevStateDir {
  readonly path: string;
  /** Undefined: any. */
  readonly port: string | undefined;
}

export interface StateDir {
  readonly path: string;
  /** To be called at the end: removes a folder that nobody will look for. */
  cleanUp(): void;
}

/** Of this user and port, so that what a crash left behind is found again; with any port a folder that goes at the end. */
export function devStateDir({ stateDir, port }: { stateDir?: string; port: number }): StateDir {
  if (stateDir !== undefined) return keep(stateDir);
  if (port !== 0) return keep(join(stateHome(), `${devPrefix}${port}`));
  mkdirSync(stateHome(), { recursive: true });
  const path = mkdtempSync(join(stateHome(), anyPortPrefix));
  return { path, cleanUp: () => rmSync(path, { recursive: true, force: true }) };
}

/** The folders of every `dev` of this user that has none of its own choice. */
export function devStateDirs(): DevStateDir[] {
  return listFolder(stateHome())
    .filter((name) => name.startsWith(devPrefix))
    .map((name) => {
      const port = name.startsWith(anyPortPrefix) ? undefined : name.slice(devPrefix.length);
      return { path: join(stateHome(), name), port };
    });
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

function listFolder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // there was none yet
  }
}

function stateHome(): string {
  return join(process.env.XDG_STATE_HOME || join(homedir(), ".local", "state"), "spawner");
}

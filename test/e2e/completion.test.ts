import { execFile, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { startDev, temporaryFolder } from "../support/dev.ts";
import { spawnSession } from "../support/spawn-session.ts";

const main = fileURLToPath(new URL("../../packages/server/src/cli/main.ts", import.meta.url));
const program = fileURLToPath(new URL("../support/program.mjs", import.meta.url));

/** How each shell tells what it would offer behind $LINE, a candidate a line; nothing, where it would offer files. */
const scripts = {
  bash: `source <(spawner completion bash)
    COMP_LINE="$LINE" COMP_POINT=\${#LINE}
    _spawner spawner
    if (( \${#COMPREPLY[@]} )); then printf '%s\\n' "\${COMPREPLY[@]}"; fi`,
  // Its own completion system lives in a terminal only; here stands what the script hands to it.
  zsh: `compdef() { :; }
    source <(spawner completion zsh)
    _describe() { print -rl -- "\${(@)\${(@P)2}%%:*}"; }
    _files() { :; }
    words=("\${(@s: :)LINE}")
    CURRENT=$#words
    _spawner`,
  fish: `spawner completion fish | source
    cd (mktemp -d)
    complete --do-complete "$LINE" | string replace --regex '\\t.*' ''
    true`,
};

/** PATH, without where npm puts the commands of this workspace. */
function foldersWithoutSpawner(): string[] {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.filter((folder) => !existsSync(join(folder, "spawner")));
}

/** What `shell` offers behind `line`, where `spawner` is a program in PATH. */
async function offered(
  shell: keyof typeof scripts,
  line: string,
  { asAlias = false }: { asAlias?: boolean } = {},
): Promise<string[]> {
  const folder = temporaryFolder();
  const name = asAlias ? "by-another-name" : "spawner";
  writeFileSync(join(folder, name), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`, { mode: 0o755 });
  const script = scripts[shell].replace("spawner completion", `${name} completion`);
  const { stdout } = await promisify(execFile)(shell, ["-c", script], {
    env: { ...process.env, PATH: [folder, ...foldersWithoutSpawner()].join(delimiter), LINE: line },
  });
  return stdout.split("\n").filter((word) => word !== "");
}

describe.each(["bash", "zsh", "fish"] as const)("%s", (shell) => {
  const isMissing = spawnSync(shell, ["-c", "true"]).error !== undefined;
  const why = isMissing ? ` (skipped: there is no ${shell} here)` : "";

  test.skipIf(isMissing)(`completes commands, flags and their choices${why}`, async () => {
    expect(await offered(shell, "spawner print-")).toEqual(["print-crd", "print-slab"]);
    expect(await offered(shell, "spawner dev --grace")).toEqual(["--grace-period"]);
    expect(await offered(shell, "spawner dev --log-level d")).toEqual(["debug"]);
    // Bash replaces only what is behind the "=".
    const word = shell === "bash" ? "debug" : "--log-level=debug";
    expect(await offered(shell, "spawner dev --port 0 --log-level=d")).toEqual([word]);
  });

  test.skipIf(isMissing)(`works where spawner is an alias, and no program in PATH${why}`, async () => {
    expect(await offered(shell, "spawner print-", { asAlias: true })).toEqual(["print-crd", "print-slab"]);
  });

  test.skipIf(isMissing)(`leaves the program of a session to the shell${why}`, async () => {
    expect(await offered(shell, "spawner dev -- no-such-file")).toEqual([]);
  });

  test.skipIf(isMissing)(`completes the ids of backends that live${why}`, async () => {
    const { url } = await startDev([process.execPath, program]);
    const { name: living } = await spawnSession(url);
    const { name: ended } = await spawnSession(url);
    await fetch(`${url}/api/backend/${ended}`, { method: "DELETE" });
    await (await fetch(`${url}/api/backend/${ended}/status/stream`)).text(); // until it has ended
    expect(await offered(shell, `spawner stop --url ${url}/api `)).toEqual([living]);
    expect(await offered(shell, `spawner stop --url ${url}/api ${living.slice(0, 3)}`)).toEqual([living]);
  });

  test.skipIf(isMissing)(`offers no id where no API answers${why}`, async () => {
    expect(await offered(shell, "spawner status --url http://127.0.0.1:1/api ")).toEqual([]);
  });
});

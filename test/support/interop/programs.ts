import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { collect } from "../dev.ts";

export interface Server {
  readonly host: string;
  readonly port: number;
}

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Whether the machine has a program; nginx of Debian is where only the superuser looks. */
export function has(program: string): boolean {
  return spawnSync("which", [program], { env: searchPath }).status === 0;
}

const searchPath = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/usr/local/go/bin` };

/** The servers of others, each a process of its own that is gone with the test. */
export const servers = {
  "node:http and ws": () => startServer(process.execPath, [here("server.mjs")]),
  "Go's net/http": () => startServer(compile("server"), []),
} as const;

/** Compiles a Go program to a folder that is gone with the test. */
export function compile(name: "server" | "client"): string {
  const folder = mkdtempSync(join(tmpdir(), "spawner-go-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const built = spawnSync("go", ["build", "-o", join(folder, name), here(`${name}/main.go`)], {
    env: { ...searchPath, GOFLAGS: "-mod=mod", GOTOOLCHAIN: "local" },
    encoding: "utf8",
  });
  if (built.status !== 0) throw new Error(built.stderr);
  return join(folder, name);
}

/** nginx, serving a folder. */
export async function startNginx(files: Readonly<Record<string, string | Buffer>>): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), "spawner-nginx-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  const port = await freePort();
  const config = join(folder, "nginx.conf");
  writeFileSync(config, nginxConfig(folder, port));
  run("nginx", ["-c", config, "-p", folder, "-e", join(folder, "error.log")]);
  await untilListening(port);
  return { host: "127.0.0.1", port };
}

const nginxConfig = (folder: string, port: number) => `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path ${folder};
  proxy_temp_path ${folder};
  fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder};
  scgi_temp_path ${folder};
  server {
    listen 127.0.0.1:${port};
    root ${folder};
    absolute_redirect off;
    gzip on;
    gzip_min_length 0;
    gzip_types text/plain;
    location /nothing { return 204; }
    location /moved { return 301 /hello; }
  }
}`;

async function freePort(): Promise<number> {
  const { createServer } = await import("node:net");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

async function untilListening(port: number): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${port}/`).catch((error: unknown) => error);
    if (answer instanceof Response) return void (await answer.arrayBuffer());
    if (performance.now() > deadlineMs) throw answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function startServer(program: string, args: readonly string[]): Promise<Server> {
  const output = run(program, args);
  const [, port] = await output.waitFor(/listening on (\d+)/);
  return { host: "127.0.0.1", port: Number(port) };
}

function run(program: string, args: readonly string[]) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: searchPath });
  onTestFinished(() => void child.kill("SIGKILL"));
  return collect(child);
}

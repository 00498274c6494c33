import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Contender, contenderNames, pathNames, pathsMany, somePath, startSaying, startTold } from "./contender.ts";

/** The peers that Debian has. Throws where one is missing, and says how to get it. */
export function requirePeers(): void {
  const missing = ["nginx", "haproxy", "cc", "taskset"].filter((program) => spawnSync(program, ["--version"]).error);
  if (missing.length === 0) return;
  throw new Error(`${missing.join(", ")} not found: apt-get install nginx-light haproxy gcc libc6-dev util-linux`);
}

/** With more of them than connections are tried, the upstream's stay open. */
const keptUpstreamConnections = 1_100;

/** nginx in front of one backend, or routing by path. */
export function startNginx(folder: string, upstreamPort: number, { byPath }: { byPath: boolean }): Promise<Contender> {
  const name = byPath ? contenderNames.nginxPaths : contenderNames.nginx;
  return startTold(
    name,
    (port) => {
      const own = join(folder, `nginx-${port}`);
      mkdirSync(own);
      writeFileSync(join(own, "nginx.conf"), nginxConf({ own, port, upstreamPort, byPath }));
      return { program: "nginx", args: ["-p", own, "-e", "stderr", "-c", join(own, "nginx.conf")] };
    },
    byPath ? somePath : "",
  );
}

function nginxConf({
  own,
  port,
  upstreamPort,
  byPath,
}: {
  own: string;
  port: number;
  upstreamPort: number;
  byPath: boolean;
}): string {
  const tempPaths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${own}/${kind};`,
  );
  const routes = pathNames(pathsMany).map((name) => `${name} app;`);
  const forwarded = `proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Prefix /$backend_id;
      proxy_set_header Forwarded 'for=$remote_addr;host="$http_host";proto=$scheme'; proxy_set_header TE '';
      proxy_redirect / /$backend_id/; proxy_cookie_path / /$backend_id/;`;
  const route = `location ~ ^/(?<backend_id>[a-z0-9-]+)(?<rest>/.*)$ {
      ${forwarded}
      proxy_pass http://$backend$rest$is_args$args;
    }`;
  return `daemon off;
worker_processes 1;
pid ${own}/pid;
error_log stderr crit;
events { worker_connections 8192; }
http {
  access_log off;
  tcp_nodelay on;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  ${tempPaths.join("\n  ")}
  map_hash_max_size 65536;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream app {
    server 127.0.0.1:${upstreamPort};
    keepalive ${keptUpstreamConnections};
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }
  ${byPath ? `map $backend_id $backend { ${routes.join(" ")} }` : ""}
  proxy_http_version 1.1;
  proxy_set_header Host $http_host;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection $connection_upgrade;
  proxy_read_timeout 1h;
  proxy_request_buffering off;
  proxy_max_temp_file_size 0;
  client_max_body_size 0;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    ${byPath ? route : "location / { proxy_pass http://app; }"}
  }
}
`;
}

/** HAProxy in front of one backend, or routing by path. */
export function startHaproxy(
  folder: string,
  upstreamPort: number,
  { byPath }: { byPath: boolean },
): Promise<Contender> {
  const name = byPath ? contenderNames.haproxyPaths : contenderNames.haproxy;
  return startTold(
    name,
    (port) => {
      const map = join(folder, "haproxy.map");
      writeFileSync(
        map,
        pathNames(pathsMany)
          .map((each) => `${each} app\n`)
          .join(""),
      );
      const file = join(folder, `haproxy-${port}.cfg`);
      writeFileSync(file, haproxyCfg({ map, port, upstreamPort, byPath }));
      return { program: "haproxy", args: ["-f", file] };
    },
    byPath ? somePath : "",
  );
}

function haproxyCfg({
  map,
  port,
  upstreamPort,
  byPath,
}: {
  map: string;
  port: number;
  upstreamPort: number;
  byPath: boolean;
}): string {
  const route = `http-request set-var(txn.id) path,field(2,/)
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Prefix /%[var(txn.id)]
  http-request set-header Forwarded for=%[src];host=\\"%[req.hdr(host)]\\";proto=http
  http-response replace-header Location ^(/.*) /%[var(txn.id)]\\1
  http-request replace-path /[^/]+(/.*) \\1
  use_backend %[var(txn.id),map(${map})]`;
  return `global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout client 1h
  timeout server 1h
  timeout connect 5s
  timeout tunnel 1h
  timeout http-keep-alive 1h
frontend all
  bind 127.0.0.1:${port} backlog 4096
  ${byPath ? route : "default_backend app"}
backend app
  http-reuse always
  server app 127.0.0.1:${upstreamPort} pool-max-conn ${keptUpstreamConnections}
`;
}

/** The proxy of JupyterHub, which routes by path in Node's own HTTP. */
export function startNodeProxy(upstreamPort: number): Promise<Contender> {
  const require = createRequire(import.meta.url);
  const manifest = require.resolve("configurable-http-proxy/package.json");
  const program = join(dirname(manifest), "bin/configurable-http-proxy");
  return startTold(
    contenderNames.nodeProxy,
    (port) => ({
      program: process.execPath,
      args: [
        program,
        "--ip",
        "127.0.0.1",
        "--port",
        `${port}`,
        "--api-port",
        "0",
        "--log-level",
        "error",
        "--default-target",
        `http://127.0.0.1:${upstreamPort}`,
      ],
    }),
    "",
  );
}

/** A program that copies between Node's sockets and does nothing else: what is left for a relay on Node to gain. */
export function startCopy(upstreamPort: number): Promise<Contender> {
  const program = fileURLToPath(new URL("../programs/copy.mjs", import.meta.url));
  return startSaying(contenderNames.copy, { program: process.execPath, args: [program, `${upstreamPort}`] }, "");
}

import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { runCommand, startDev, temporaryFolder } from "./dev.ts";

/** Where clients race a sweep: what the roles are like, and how to start them. Resolves to the gateway's address. */
export const arrivalServers: [string, () => Promise<string>][] = [
  ["in one process", startInOneProcess],
  ["that talk over HTTP", startOverHttp],
];

async function startInOneProcess(): Promise<string> {
  const program = fileURLToPath(new URL("program.mjs", import.meta.url));
  return (await startDev([process.execPath, program], { args: ["--backends-max", "1000"] })).url;
}

async function startOverHttp(): Promise<string> {
  const script = fileURLToPath(new URL("over-http.ts", import.meta.url));
  const server = runCommand([process.execPath, script, temporaryFolder()]);
  onTestFinished(async () => {
    server.child.kill("SIGTERM");
    await server.exited;
  });
  const [, url = ""] = await server.output.waitFor(/(http:\/\/127\.0\.0\.1:\d+)\/ serves/);
  return url;
}

import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { expect, onTestFinished, test } from "vitest";
import { addGatewayRelayFlags } from "../../packages/server/src/cli/gateway-flags.ts";
import { sidecarFlags } from "../../packages/server/src/cli/sidecar-flags.ts";
import { readDocument } from "../support/documents.ts";
import { startServed } from "../support/served.ts";

/** Answers /echo and uploads, and nothing else, upgrades neither. */
const program = `
  const server = require("node:http").createServer((request, response) => {
    if (request.url !== "/poll") request.resume().on("end", () => response.end("done"));
  });
  server.on("upgrade", () => {}).listen(process.env.PORT, "127.0.0.1");`;

const flags = {
  "--head-bytes-max": 2_000,
  "--header-count-max": 20,
  "--head-timeout": 1,
  "--body-timeout": 1,
  "--body-bytes-max": 100,
  "--keep-alive-timeout": 2,
  "--upgrade-timeout": 1,
  "--response-timeout": 2,
  "--connections-max": 10,
};

test("each limit is what its flag says, and tells of itself by its status", { timeout: 60_000 }, async () => {
  const stateDir = mkdtempSync(join(tmpdir(), "spawner-limits-"));
  const given = Object.entries(flags).flatMap(([name, value]) => [name, String(value)]);
  const served = await startServed({ stateDir, command: [process.execPath, "-e", program], flags: given });
  onTestFinished(async () => {
    served.killSessions();
    await served.close("SIGKILL");
    rmSync(stateDir, { recursive: true, force: true });
  });
  const id = await served.spawn();
  await (await served.ask(`/${id}/echo`)).text();
  const { hostname, port } = new URL(served.url);
  const ask = (text: string) =>
    new Promise<string>((resolve) => {
      let answer = "";
      connect({ host: hostname, port: Number(port) })
        .on("error", () => {})
        .on("data", (bytes) => {
          answer += bytes;
        })
        .on("close", () => resolve(answer))
        .write(text);
    });
  const request = (target: string, fields = "", method = "GET") =>
    `${method} /${id}${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n${fields}\r\n`;
  const cases: Readonly<Record<string, [status: number, text: string]>> = {
    "a long head": [431, request("/echo", `X-Long: ${"a".repeat(2_000)}\r\n`)],
    "many fields": [431, request("/echo", "X-A: b\r\n".repeat(20))],
    "a slow head": [408, "GET / HT"],
    "a stalled body": [408, `${request("/upload", "Content-Length: 50\r\n", "POST")}abc`],
    "a long body": [413, request("/upload", "Content-Length: 101\r\n", "POST")],
    "a slow upgrade": [504, request("/poll", "Connection: Upgrade\r\nUpgrade: x\r\n")],
    "a slow answer": [504, request("/poll")],
  };
  const answers = await Promise.all(
    Object.entries(cases).map(async ([what, [, text]]) => [what, Number((await ask(text)).split(" ")[1])] as const),
  );
  expect(Object.fromEntries(answers)).toEqual(
    Object.fromEntries(Object.entries(cases).map(([what, [status]]) => [what, status])),
  );
  expect(await ask("")).toBe(""); // nothing is said to a connection without a request; it is closed
  const many = await Promise.all(Array.from({ length: 14 }, () => ask("")));
  expect(many.filter((answer) => answer.startsWith("HTTP/1.1 503 "))).toHaveLength(4);
});

test("the document has every limit of the gateway and the sidecar, with its default", () => {
  const rows = [...readDocument("docs/http.md").matchAll(/^\| `--([a-z-]+)`\s*\| (\d+)/gm)];
  const documented = Object.fromEntries(rows.map(([, name = "", byDefault]) => [name, Number(byDefault)]));
  const gateway = addGatewayRelayFlags(new Command()).options.flatMap(({ long, defaultValue }) =>
    typeof defaultValue === "number" ? [[long?.slice(2), defaultValue]] : [],
  );
  expect(documented).toEqual(Object.fromEntries(gateway));
  const names = sidecarFlags.map(({ name }) => name as string);
  expect(Object.keys(documented).filter((name) => !names.includes(name))).toEqual(["backend-connections-max"]);
});

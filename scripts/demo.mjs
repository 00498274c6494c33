// Runs the boards with names: a Spawner for their programs, and the application in front of it. Ctrl-C ends both.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const pathOf = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const program = ["--", process.execPath, pathOf("demo/board/server.js")];
const dev = [
  pathOf("packages/server/src/cli/main.ts"),
  "dev",
  "--plain",
  "--port",
  process.env.SPAWNER_PORT ?? "0",
  ...program,
];

const spawner = spawn(process.execPath, dev, { stdio: ["inherit", "pipe", "inherit"] });
let application;
let applicationCode = 0;
let said = "";
spawner.stdout.setEncoding("utf8").on("data", (text) => {
  process.stdout.write(text);
  said += text;
  const [, url] = /(http:\/\/127\.0\.0\.1:\d+)\/ /.exec(said) ?? [];
  if (url === undefined || application !== undefined) return;
  const env = { ...process.env, SPAWNER_URL: `${url}/api` };
  application = spawn(process.execPath, [pathOf("demo/board/application.js")], { stdio: "inherit", env });
  application.on("exit", (code) => {
    applicationCode = code ?? 1;
    spawner.kill("SIGINT");
  });
});
spawner.on("exit", (code) => {
  application?.kill();
  process.exitCode = (code ?? 1) || applicationCode;
});
process.on("SIGINT", () => {}); // a terminal gives it to both as well
process.on("SIGTERM", () => spawner.kill("SIGINT"));

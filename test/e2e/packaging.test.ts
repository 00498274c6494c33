import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { homedir, tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "rolldown";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { collect, temporaryFolder } from "../support/dev.ts";
import { fileBlock, prose } from "../support/documents.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "spawner-packaging-"));
const app = join(folder, "app");
// What is run here is the Node of this test, whichever one comes first in PATH.
const env = { ...process.env, PATH: [dirname(process.execPath), process.env.PATH].join(delimiter) };

interface Packed {
  name: string;
  version: string;
  filename: string;
  size: number;
  unpackedSize: number;
  files: { path: string; size: number }[];
}
let packed: Packed[] = [];

const hasRegistry = spawnSync("npm", ["ping"], { env, timeout: 10_000 }).status === 0;
if (!hasRegistry) console.log("Skipped: the packaging tests. They need npm and its registry.");

beforeAll(async () => {
  if (!hasRegistry) return;
  const built = join(folder, "build");
  await run(process.execPath, [join(root, "scripts/build.mjs"), "--out", built]);
  const folders = ["client", "spawner"].map((name) => join(built, name));
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder, ...folders], { env });
  packed = Object.values(JSON.parse(stdout) as Packed[]);
  mkdirSync(app);
  writeFileSync(join(app, "package.json"), "{}");
  const tarballs = packed.map(({ filename }) => join(folder, filename));
  // Without what is optional: it is more than half of all, and only create-slab needs it.
  await run("npm", ["install", "--prefer-offline", "--omit=optional", ...tarballs], { cwd: app, env });
  for (const { name, size, unpackedSize } of packed) {
    console.log(`${name}: ${size} bytes packed, ${unpackedSize} unpacked`);
  }
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Every file of an installed package, with its text. */
function filesOf(name: string): { path: string; text: string }[] {
  const home = join(app, "node_modules", name);
  return readdirSync(home, { recursive: true, encoding: "utf8" })
    .filter((path) => statSync(join(home, path)).isFile())
    .map((path) => ({ path, text: readFileSync(join(home, path), "utf8") }));
}

describe.skipIf(!hasRegistry)("the packages, installed in an empty folder", () => {
  test("hold no sources, tests or paths of the machine they were built on", () => {
    expect(packed.map(({ name }) => name)).toEqual(["@spawner/client", "spawner"]);
    for (const { name, files } of packed) {
      const paths = files.map(({ path }) => path);
      expect(paths).toEqual(expect.arrayContaining(["LICENSE", "README.md", "package.json"]));
      expect(paths.filter((path) => /(?<!\.d)\.ts$|test|fixture|(^|\/)src\//.test(path))).toEqual([]);
      for (const { path, text } of filesOf(name)) {
        for (const own of [root, homedir(), folder, '"workspace:', '"file:']) {
          expect(text.includes(own), `${own} in ${name}/${path}`).toBe(false);
        }
      }
    }
    expect(new Set(packed.map(({ version }) => version)).size).toBe(1);
  });

  test("have READMEs of which every link and picture leads to what is in the package, and that need no checkout", () => {
    for (const { name, files } of packed) {
      for (const { path, text } of filesOf(name).filter(({ path }) => path.endsWith(".md"))) {
        const targets = [...prose(text).matchAll(/\]\(([^)\s#]+)/g)].map(([, target = ""]) => target);
        const inside = targets
          .filter((target) => !/^[a-z]+:/.test(target))
          .map((target) => join(dirname(path), target));
        const missing = inside.filter((target) => !files.some((file) => file.path === target));
        expect(missing, `${name}/${path}`).toEqual([]);
        if (path === "README.md") expect(text, name).not.toMatch(/npm (start|test|run)\b|\bcheckout\b/);
      }
    }
  });

  test("npx spawner dev runs the server of its README, and Ctrl-C ends it", async () => {
    const readme = readFileSync(join(app, "node_modules/spawner/README.md"), "utf8");
    writeFileSync(join(app, "server.mjs"), fileBlock(readme, "server.mjs"));
    const command = ["spawner", "dev", "--port", "0", "--", "node", "server.mjs"];
    const npx = spawn("npx", command, { cwd: app, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    const exited = new Promise((resolve) => npx.once("exit", resolve));
    const interrupt = (signal: NodeJS.Signals) => process.kill(-(npx.pid ?? Number.NaN), signal);
    let hasExited = false;
    void exited.then(() => {
      hasExited = true;
    });
    onTestFinished(() => void (hasExited || interrupt("SIGKILL")));
    const [, url = ""] = await collect(npx).waitFor(/(http:\/\/127\.0\.0\.1:\d+)\/ /);
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${url}/api/spawn`, { method: "POST", headers, body: "{}" });
    const session = (await answer.json()) as { url: string };
    const first = await (await fetch(session.url)).text();
    expect(first).toMatch(/^You are visitor 1 of process \d+\.\n$/);
    expect(await (await fetch(session.url)).text()).toBe(first.replace("visitor 1", "visitor 2"));
    interrupt("SIGINT"); // to all of its processes, as a terminal does
    await exited;
    const pid = Number(/process (\d+)/.exec(first)?.[1]);
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });

  test.each(["nodenext", "bundler"])("the client's types are found with moduleResolution %s", async (resolution) => {
    writeFileSync(
      join(app, "use.mts"),
      `import { SpawnerClient, SpawnerClientError, type StatusMessage } from "@spawner/client";
       import { openSession, type Session } from "@spawner/client/session";
       const client: SpawnerClient = new SpawnerClient({ url: "http://127.0.0.1:8080/api" });
       export const session: Session = openSession({ connect: () => client.connect({ key: "a" }) });
       export const socket = session.webSocket("socket", { onMessage: (data) => console.log(data) });
       export async function last(id: string): Promise<StatusMessage | undefined> {
         try {
           return await client.waitUntilReady(id);
         } catch (error) {
           if (error instanceof SpawnerClientError) return undefined;
           throw error;
         }
       }
       export const left = client.spawn({ env: undefined, gracePeriodSeconds: undefined });
       export const retry = new SpawnerClient({ url: "/api", retry: { firstMs: undefined }, timeoutMs: undefined });
       // @ts-expect-error: a backend's id is a string
       void client.status(1);`,
    );
    const compiler = join(root, "node_modules/typescript/bin/tsc");
    const module = resolution === "nodenext" ? "nodenext" : "esnext";
    const flags = [
      "--strict",
      "--exactOptionalPropertyTypes",
      "--noEmit",
      "--target",
      "es2022",
      "--lib",
      "es2024,dom,dom.asynciterable",
      "--types",
      "",
    ];
    const args = [...flags, "--module", module, "--moduleResolution", resolution, "use.mts"];
    const { stdout } = await run(process.execPath, [compiler, ...args], { cwd: app }).catch((error) => error);
    expect(stdout).toBe("");
  });

  test("of the client, a bundler takes only what is used", async () => {
    writeFileSync(
      join(app, "small.mjs"),
      'import { backendStates } from "@spawner/client"; console.log(backendStates);',
    );
    const { output } = await build({ input: join(app, "small.mjs"), platform: "browser", write: false });
    expect(output[0].code).toContain('"Submitted"');
    expect(output[0].code).not.toMatch(/class |fetch/);
    expect(output[0].code.length).toBeLessThan(1_000);
  });

  test("the sidecar is one file that loads nothing but Node itself", async () => {
    const file = join(app, "node_modules/spawner/dist/sidecar.cjs");
    const text = readFileSync(file, "utf8");
    const loading = /^import .* from "(.*)";$|\bimport\("(.*)"\)|\bgetBuiltinModule\("(.*?)"\)/gm;
    const loaded = [...text.matchAll(loading)].map(([, from, at, builtIn]) => from ?? at ?? builtIn);
    expect(loaded.length).toBeGreaterThan(2);
    expect(loaded.filter((name) => !name?.startsWith("node:"))).toEqual([]);
    console.log(`sidecar.cjs: ${text.length} bytes`);

    const alone = join(temporaryFolder(), "sidecar.cjs");
    copyFileSync(file, alone);
    const flags = ["--host", "127.0.0.1", "--serve-port", "0", "--control-port", "0", "--grace-period=5"];
    const sidecar = spawn(process.execPath, [alone, ...flags], { stdio: ["ignore", "pipe", "pipe"] });
    onTestFinished(() => void sidecar.kill("SIGKILL"));
    const [, port] = await collect(sidecar).waitFor(/control on port (\d+)/);
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    sidecar.kill("SIGTERM");
    expect(await new Promise((resolve) => sidecar.once("exit", resolve))).toBe(0);
  });

  test("once it serves, no code of the sidecar is compiled by the compiler whose memory it cannot afford", async () => {
    const program = createServer((_, response) => response.end("hello")).listen(0, "127.0.0.1");
    onTestFinished(() => void program.close());
    await once(program, "listening");
    const upstream = `--upstream-port=${(program.address() as AddressInfo).port}`;
    const file = join(app, "node_modules/spawner/dist/sidecar.cjs");
    const flags = ["--host", "127.0.0.1", "--serve-port", "0", "--control-port", "0", upstream];
    const sidecar = spawn(process.execPath, ["--trace-opt", file, ...flags], { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void sidecar.kill("SIGKILL"));
    const output = collect(sidecar);
    const [, port] = await output.waitFor(/serving on port (\d+)/);
    for (let batch = 0; batch < 200 && !output.text.includes("target TURBOFAN"); batch += 1) {
      const answers = Array.from({ length: 20 }, async () => (await fetch(`http://127.0.0.1:${port}/`)).text());
      expect(new Set(await Promise.all(answers))).toEqual(new Set(["hello"]));
    }
    expect(output.text).toContain("target TURBOFAN");
    expect(output.text.slice(output.text.indexOf("serving on port"))).not.toMatch(/compiling method .*target MAGLEV/);
  });

  test("spawner says what it needs: a later Node, or a client of Kubernetes", async () => {
    const bin = join(app, "node_modules/spawner/dist/spawner.js");
    const old = 'data:text/javascript,Object.defineProperty(process,"versions",{value:{node:"20.11.0"}})';
    const answers = [
      run(process.execPath, ["--import", old, bin, "--version"]),
      run(process.execPath, [bin, "create-slab", "--image", "a"]),
    ];
    const [tooOld, missing] = await Promise.allSettled(answers);
    expect(tooOld).toMatchObject({
      reason: { code: 1, stderr: expect.stringMatching(/^spawner: Node.js 24 or later .*20.11.0.*\n$/) },
    });
    expect(missing).toMatchObject({
      reason: { code: 1, stderr: expect.stringMatching(/^spawner: create-slab needs @kubernetes\/client-node.*\n$/) },
    });
    const { engines } = JSON.parse(readFileSync(join(app, "node_modules/spawner/package.json"), "utf8")) as {
      engines: { node: string };
    };
    expect(engines.node).toBe(">=24");
  });
});

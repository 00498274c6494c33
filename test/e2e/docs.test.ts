import { execFile } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { backendStates, errorCodes, failedReasons, sweptReasons } from "@spawner/client";
import { describe, expect, test } from "vitest";
import { connectRequestSchema } from "../../packages/server/src/api/schemas.ts";
import { httpStatusOf } from "../../packages/server/src/core/errors.ts";
import { temporaryFolder } from "../support/dev.ts";
import { type CodeBlock, codeBlocks, fileBlock, prose, readDocument } from "../support/documents.ts";
import { startEmbedded } from "../support/embedded.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const api = readDocument("docs/api.md");
const concepts = readDocument("docs/concepts.md");

/** Where the document has its servers. curl is told where they are, so that every line can be run as it stands. */
const documentedPorts = { open: 8080, guarded: 8081 };

/** Starts the server of the README as the document says, once open to all and once with tokens. */
async function startDocumented(folder: string) {
  writeFileSync(join(folder, "server.mjs"), fileBlock(readDocument("README.md"), "server.mjs"));
  const tokensFile = join(folder, "tokens");
  writeFileSync(tokensFile, "a-token-of-enough-length\n", { mode: 0o600 });
  const template = { command: [process.execPath, "server.mjs"], cwd: folder };
  const start = (port: number, overrides: object) =>
    startEmbedded({ template, gracePeriodSeconds: 60, publicUrl: `http://127.0.0.1:${port}`, ...overrides });
  const open = await start(documentedPorts.open, {});
  const guarded = await start(documentedPorts.guarded, { tokensFile });
  const lines = Object.entries({ open, guarded }).map(
    ([name, { port }]) =>
      `connect-to = "127.0.0.1:${documentedPorts[name as keyof typeof documentedPorts]}:127.0.0.1:${port}"\n`,
  );
  writeFileSync(join(folder, ".curlrc"), lines.join(""));
}

/** Runs the blocks as one script, since later ones use what earlier ones have set. Gives what each has written. */
async function runBlocks(blocks: readonly CodeBlock[], folder: string): Promise<string[]> {
  const mark = "\x1e";
  const script = blocks.map(({ text }) => `${text}printf '${mark}'\n`).join("");
  const env = { ...process.env, CURL_HOME: folder, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
  const { stdout } = await promisify(execFile)("bash", ["-e", "-u", "-o", "pipefail", "-c", script], {
    cwd: folder,
    env,
  });
  return stdout.split(mark).slice(0, -1);
}

/** Ids, times and numbers of processes are other ones each time. */
function withoutChance(text: string): string {
  return text
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "UUID")
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, "TIME")
    .replace(/\b[bcdfghjklmnpqrstvwxz2456789]{10}\b/g, "ID")
    .replace(/process \d+/g, "process PID");
}

test("every example of the API reference does and answers what it says", async () => {
  const folder = temporaryFolder();
  await startDocumented(folder);
  const blocks = codeBlocks(api);
  const commands = blocks.filter(({ language }) => language === "sh");
  const answers = await runBlocks(commands, folder);
  expect(answers).toHaveLength(commands.length);
  let compared = 0;
  for (const [index, command] of commands.entries()) {
    const shown = blocks[blocks.indexOf(command) + 1];
    const real = withoutChance(answers[index] ?? "");
    const where = `docs/api.md:${command.line}`;
    if (shown === undefined || shown.language === "sh") {
      expect(real, where).toBe("");
      continue;
    }
    compared += 1;
    const said = withoutChance(shown.text);
    if (shown.language === "json") expect(JSON.parse(real), where).toEqual(JSON.parse(said));
    else expect(real, where).toBe(said);
  }
  expect(compared).toBeGreaterThan(15);
});

/** The first cells of a document's tables that are code, with the cells behind each. */
function tableRows(markdown: string): { name: string; cells: string[] }[] {
  return [...prose(markdown).matchAll(/^\|(.*)\|$/gm)].flatMap(([, line = ""]) => {
    const cells = line.split("|").map((cell) => cell.trim());
    return cells.flatMap((cell, index) => {
      const names = [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
      return index < 2 ? names.map((name) => ({ name, cells })) : [];
    });
  });
}

describe("nothing is missing", () => {
  test("of the error codes, with their status", () => {
    const rows = tableRows(api);
    const documented = errorCodes.map((code) => [code, Number(rows.find(({ name }) => name === code)?.cells[0])]);
    expect(Object.fromEntries(documented)).toEqual(httpStatusOf);
  });

  test("of the fields of a request", () => {
    const names = tableRows(api).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(Object.keys(connectRequestSchema.properties)));
  });

  test("of the routes, and of who may use them", async () => {
    const { url } = await startEmbedded({ tokensFile: tokensFile() });
    const document = (await (await fetch(`${url}/api/openapi.json`)).json()) as {
      paths: Record<string, Record<string, { security: { token: string[] }[] }>>;
    };
    const real = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([method]) => method !== "head")
        .map(([method, { security }]) => [
          `${method.toUpperCase()} ${path.replace("{id}", ":id")}`,
          security[0] === undefined ? "no" : `\`${security[0].token}\``,
        ]),
    );
    const rows = tableRows(api).filter(({ name }) => /^[A-Z]+ \//.test(name));
    const documented = rows.map(({ name, cells }) => [name, cells.at(-1)]);
    expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(real));
  });

  test("of the states and reasons", () => {
    const names = tableRows(concepts).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining([...backendStates, ...sweptReasons, ...failedReasons]));
  });
});

test("every package that is used is in docs/dependencies.md, with its reason", () => {
  const fields = ["dependencies", "devDependencies", "optionalDependencies"];
  const used = ["package.json", "packages/server/package.json", "packages/client/package.json"].flatMap((path) => {
    const manifest = JSON.parse(readDocument(path)) as Record<string, Record<string, string> | undefined>;
    return fields.flatMap((field) => Object.keys(manifest[field] ?? {}));
  });
  const dependencies = readDocument("docs/dependencies.md");
  const missing = used.filter((name) => name !== "@spawner/client" && !dependencies.includes(`\`${name}\``));
  expect(missing).toEqual([]);
});

function tokensFile(): string {
  const path = join(temporaryFolder(), "tokens");
  writeFileSync(path, "a-token-of-enough-length\n", { mode: 0o600 });
  return path;
}

const documents = [
  "README.md",
  "CHANGELOG.md",
  "packages/client/README.md",
  "packages/server/README.md",
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** What GitHub makes of a heading to link to. */
function anchorsOf(markdown: string): string[] {
  return [...prose(markdown).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

test.each(documents)("every link in %s leads somewhere", (path) => {
  const links = [...prose(readDocument(path)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
  const broken = links
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => {
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? path : join(dirname(path), file);
      if (!existsSync(resolve(root, target))) return true;
      return anchor !== undefined && !anchorsOf(readDocument(target)).includes(anchor);
    });
  expect(broken).toEqual([]);
});

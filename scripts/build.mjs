// Builds both npm packages, complete and ready for `npm pack`: npm run build -- [--out FOLDER]
// FOLDER (build/) gets client/ and spawner/, each with a package.json of its own.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Script } from "node:vm";
import { build } from "rolldown";

/** Modules of Node that the sidecar loads only once it serves, when a function of theirs is first called: nothing else is imported of them. */
const loadedWhenCalled = ["node:crypto", "node:v8"];

const root = fileURLToPath(new URL("..", import.meta.url));
const client = join(root, "packages/client");
const server = join(root, "packages/server");
const { values } = parseArgs({ options: { out: { type: "string", default: join(root, "build") } } });
const out = resolve(values.out);

await buildClient(join(out, "client"));
await buildSpawner(join(out, "spawner"));

async function buildClient(folder) {
  empty(folder);
  const input = { index: join(client, "src/index.ts"), session: join(client, "src/session/index.ts") };
  await bundle(input, {
    platform: "neutral",
    target: "es2022",
    dir: join(folder, "dist"),
    // A page that loads it without a bundler finds all of it side by side.
    chunkFileNames: "[name].js",
  });
  declare(join(client, "tsconfig.build.json"), join(folder, "dist"));
  copy("README.md", client, folder);
  copy("LICENSE", root, folder);
  writeManifest(folder, {
    ...readManifest(client),
    exports: {
      ".": { types: "./dist/index.d.ts", default: "./dist/index.js" },
      "./session": { types: "./dist/session/index.d.ts", default: "./dist/session.js" },
      "./package.json": "./package.json",
    },
    types: "./dist/index.d.ts",
    files: ["dist"],
  });
}

async function buildSpawner(folder) {
  empty(folder);
  const manifest = readManifest(server);
  // The client is of the same version and small: it goes in, and an installation has one package of ours.
  const { "@spawner/client": _, ...dependencies } = manifest.dependencies;
  const names = Object.keys({ ...dependencies, ...manifest.optionalDependencies });
  const external = (id) => names.some((name) => id === name || id.startsWith(`${name}/`));
  const options = { platform: "node", target: "node24", external };
  await bundle({ spawner: join(server, "src/cli/spawner.ts") }, { ...options, dir: join(folder, "dist") });
  chmodSync(join(folder, "dist/spawner.js"), 0o755); // who has linked it is not asked to install again

  const sidecar = await bundle(join(server, "src/cli/sidecar-main.ts"), {
    ...options,
    file: join(folder, "dist/sidecar.cjs"),
    plugins: [{ name: "thrifty-sidecar", generateBundle: (_, files) => Object.values(files).forEach(beThrifty) }],
  });
  const foreign = [...sidecar.imports, ...sidecar.dynamicImports].filter((name) => !name.startsWith("node:"));
  if (foreign.length > 0) throw new Error(`The sidecar may load Node alone, and loads ${foreign.join(", ")}.`);

  copy("README.md", server, folder);
  for (const name of ["LICENSE", "CHANGELOG.md"]) copy(name, root, folder);
  writeManifest(folder, {
    ...manifest,
    dependencies,
    bin: { spawner: "./dist/spawner.js" },
    exports: { "./package.json": "./package.json" },
    files: ["dist", "CHANGELOG.md"],
  });
}

/**
 * What a sidecar loads and keeps, every backend pays for, and each start waits for it: a script of CommonJS that gets Node's modules
 * itself. With a module Node would load all that loads modules.
 */
function beThrifty(file) {
  if (file.type !== "chunk") return;
  const script = getBuiltins(file.code).replace(/^export \{\};$/m, "");
  file.code = `"use strict"; ${toAscii(script)}`; // no line moves
  new Script(file.code, { filename: file.fileName }); // throws where it is none: an import that was not taken, an await outside of functions
}

/**
 * Imports of Node's own modules as calls. An import looks at each export, and what is loaded only when it is looked at is loaded
 * then: the WebSocket of node:http is, with the whole of undici, which nobody asked for, and takes 5 MB.
 */
function getBuiltins(code) {
  return code.replaceAll(/^import \{([^}]*)\} from "(node:[a-z0-9/_]+)";$/gm, (_, names, module) => {
    const get = `process.getBuiltinModule("${module}")`;
    if (!loadedWhenCalled.includes(module)) return `const {${names.replaceAll(" as ", ": ")}} = ${get};`;
    const functions = names.split(",").map((name) => name.trim().split(" as "));
    for (const [name] of functions) requireFunction(module, name);
    return functions.map(([name, own = name]) => `const ${own} = (...args) => ${get}.${name}(...args);`).join(" ");
  });
}

/** What is loaded when it is called can only be called. */
function requireFunction(module, name) {
  const isFunction = typeof process.getBuiltinModule(module)[name] === "function" && !/^[A-Z]/.test(name);
  if (!isFunction) throw new Error(`The sidecar may import functions of ${module}, and imports ${name}.`);
}

/** The text of what runs stays in memory: one byte for each character only where that is enough for all of them. */
function toAscii(code) {
  return code.replaceAll(/[^\0-\x7f]/g, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Bundles to `dir`, in several files that are loaded as they are needed, or to one `file`. Returns the first of them. */
async function bundle(
  input,
  { platform, target, external, dir, file, chunkFileNames = "chunks/[name]-[hash].js", plugins = [] },
) {
  const { output } = await build({
    input,
    cwd: root,
    platform,
    external,
    plugins,
    transform: { target },
    logLevel: "warn",
    output: {
      format: "esm",
      sourcemap: true,
      // For the positions in stack traces; the sources themselves are in the repository.
      sourcemapExcludeSources: true,
      sourcemapPathTransform: (path, map) => relative(root, resolve(dirname(map), path)),
      ...(file === undefined ? { dir, chunkFileNames } : { file, codeSplitting: false, comments: false }),
    },
  });
  return output[0];
}

/** Writes the declarations of a package's types. */
function declare(project, folder) {
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [compiler, "-p", project, "--outDir", folder], { stdio: "inherit" });
  // They name the sources as these name each other, with .ts, which compilers before version 5 do not take.
  for (const name of readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".d.ts"))) {
    const text = readFileSync(join(folder, name), "utf8");
    writeFileSync(join(folder, name), text.replaceAll(/("\.{1,2}\/[^"]+)\.ts"/g, '$1.js"'));
  }
}

/** The package.json of the sources, without what is theirs alone. */
function readManifest(folder) {
  const { private: _, ...manifest } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return manifest;
}

function writeManifest(folder, manifest) {
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}

function copy(name, from, to) {
  copyFileSync(join(from, name), join(to, name));
}

function empty(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
}

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, parse } from "node:path";
import { SpawnerError } from "../core/errors.ts";
import type { Clock } from "../lib/clock.ts";
import { fileLookMs, fileVersion } from "../lib/file-version.ts";
import type { Log } from "../lib/log.ts";
import { readTemplate, type TemplateKind } from "./template-file.ts";
import type { Template, Templates } from "./templates.ts";

export interface TemplatesFolderDeps {
  readonly clock: Clock;
  readonly log: Log;
}

/** What is in the file, or what is wrong with it, in sentences. */
type Parsed = { readonly value: unknown } | { readonly problems: readonly string[] };
type Parse = (text: string) => Parsed;

/** A file as it was when it was last read. */
interface KnownFile {
  /** Undefined: it could not be read. */
  readonly version: string | undefined;
  /** The last good one; undefined where it never was. */
  readonly template: Template | undefined;
  readonly problems: readonly string[];
}

const fileBytesMax = 1024 * 1024;
const filesMax = 1_000;
/** Of a folder of something else altogether, the first will do. */
const problemsMax = 10;
const extensions: ReadonlySet<string> = new Set([".yaml", ".yml", ".json"]);
/** A key of a ConfigMap, and a label's value. */
const namePattern = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

/**
 * The templates of a folder, each a file: `game.yaml` is the template `game`. The folder is looked at again when it is used, by the
 * files' paths: editors replace files, and Kubernetes replaces, below a mounted ConfigMap, the folder that all of them are links
 * into. A file that has become unusable leaves the template that it was.
 */
export class TemplatesFolder implements Templates {
  readonly #path: string;
  readonly #kind: TemplateKind;
  readonly #parse: Parse;
  readonly #deps: TemplatesFolderDeps;
  #files: ReadonlyMap<string, KnownFile> = new Map();
  #templates: ReadonlyMap<string, Template> = new Map();
  /** Said once, not with every look. */
  #isUnreadable = false;
  #lookedAtMs: number;

  private constructor(path: string, given: { kind: TemplateKind; parse: Parse; deps: TemplatesFolderDeps }) {
    this.#path = path;
    this.#kind = given.kind;
    this.#parse = given.parse;
    this.#deps = given.deps;
    this.#lookedAtMs = given.deps.clock.monotonicMs();
  }

  /** Rejects with a SpawnerError where the folder, or a template in it, cannot be used. */
  static async open(path: string, options: TemplatesFolderDeps & { kind: TemplateKind }): Promise<TemplatesFolder> {
    const { kind, ...deps } = options;
    const folder = new TemplatesFolder(path, { kind, deps, parse: await yamlParser() });
    try {
      folder.#read();
    } catch (cause) {
      throw unusable(path, (cause as Error).message, { cause });
    }
    const problems = [...folder.#files].flatMap(([file, { problems }]) => named(file, problems));
    if (problems.length > 0) throw unusable(path, problems.slice(0, problemsMax).join("; "));
    folder.#tell();
    return folder;
  }

  find(name: string): Template | undefined {
    this.#look();
    return this.#templates.get(name);
  }

  names(): readonly string[] {
    this.#look();
    return [...this.#templates.keys()];
  }

  #look(): void {
    const { clock, log } = this.#deps;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#lookedAtMs < fileLookMs) return;
    this.#lookedAtMs = nowMs;
    const before = this.#files;
    try {
      if (!this.#read() && !this.#isUnreadable) return;
      this.#isUnreadable = false;
    } catch (error) {
      if (this.#isUnreadable) return;
      this.#isUnreadable = true;
      log.error({ templates: this.#path, err: error }, "templates cannot be read: those from before go on");
      return;
    }
    const problems = [...this.#files]
      .filter(([file, known]) => known !== before.get(file))
      .flatMap(([file, known]) => named(file, known.problems))
      .slice(0, problemsMax);
    if (problems.length > 0) log.error({ templates: this.#path, problems }, "templates are left as they were");
    this.#tell();
  }

  #tell(): void {
    const names = [...this.#templates.keys()];
    this.#deps.log.info({ templates: this.#path, names }, "templates read");
  }

  /** Reads the files that are others than before. Returns whether there were any; throws where the folder cannot be read. */
  #read(): boolean {
    const files = new Map(this.#list().map((file) => [file, this.#readFile(file)]));
    const isSame =
      files.size === this.#files.size && [...files].every(([file, known]) => known === this.#files.get(file));
    if (isSame) return false;
    this.#files = files;
    this.#templates = new Map(
      [...files].flatMap(([file, { template }]) =>
        template === undefined ? [] : [[parse(file).name, template] as const],
      ),
    );
    return true;
  }

  /** Names of files, in their order: `..data` of a mounted ConfigMap is none. */
  #list(): string[] {
    const files = readdirSync(this.#path).filter((file) => !file.startsWith(".") && extensions.has(parse(file).ext));
    if (files.length > filesMax) throw new Error(`it has ${files.length} templates; ${filesMax} are the most`);
    return files.sort();
  }

  #readFile(file: string): KnownFile {
    const known = this.#files.get(file);
    const path = join(this.#path, file);
    let version: string | undefined;
    try {
      const stats = statSync(path, { bigint: true });
      version = fileVersion(stats);
      if (known !== undefined && known.version === version) return known;
      if (!stats.isFile()) throw new Error("it is not a file");
      if (stats.size > fileBytesMax) throw new Error(`it has ${stats.size} bytes; ${fileBytesMax} are the most`);
      return this.#parseFile(file, { version, text: readFileSync(path, "utf8") });
    } catch (error) {
      if (known !== undefined && known.version === version) return known;
      return { version, template: known?.template, problems: [(error as Error).message] };
    }
  }

  #parseFile(file: string, { version, text }: { version: string; text: string }): KnownFile {
    const { name } = parse(file);
    const failed = (problems: readonly string[]) => ({
      version,
      template: this.#files.get(file)?.template,
      problems,
    });
    if (!namePattern.test(name))
      return failed(["its name is none for a template: letters, digits, - _ and . are needed"]);
    const twin = this.#list().find((other) => other !== file && parse(other).name === name);
    if (twin !== undefined && twin < file) return failed([`${twin} is the template of this name already`]);
    const parsed = this.#parse(text);
    if ("problems" in parsed) return failed(parsed.problems);
    const reading = readTemplate(name, parsed.value, this.#kind);
    return "problems" in reading ? failed(reading.problems) : { version, template: reading.template, problems: [] };
  }
}

/** JSON is YAML. The parser is loaded for those alone who have templates. */
async function yamlParser(): Promise<Parse> {
  const { LineCounter, parseDocument } = await import("yaml");
  return (text) => {
    const lineCounter = new LineCounter();
    const document = parseDocument(text, { lineCounter, prettyErrors: false });
    const problems = [...document.errors, ...document.warnings].map(({ pos, message }) => {
      const { line, col } = lineCounter.linePos(pos[0]);
      return `line ${line}, column ${col}: ${message}`;
    });
    if (problems.length > 0) return { problems };
    try {
      return { value: document.toJS() };
    } catch (error) {
      return { problems: [(error as Error).message] }; // an alias of nothing, or of far too much
    }
  };
}

function named(file: string, problems: readonly string[]): string[] {
  return problems.map((problem) => `${file}: ${problem}`);
}

function unusable(path: string, why: string, options?: { cause: unknown }): SpawnerError {
  return new SpawnerError(
    "invalid_request",
    `The templates in ${JSON.stringify(path)} cannot be used: ${why}.`,
    options,
  );
}

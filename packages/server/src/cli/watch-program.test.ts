import { mkdirSync, mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../lib/clock.ts";
import type { Running } from "../lib/running.ts";
import { type ProgramChange, watchProgram } from "./watch-program.ts";

let folder: string;
let watching: Running | undefined;
let changes: ProgramChange[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "spawner-.watched-"));
  for (const name of ["src/deep", "node_modules/a", ".git", "state"]) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  write("src/a.js");
  write("src/deep/b.js");
  changes = [];
});

afterEach(async () => {
  await watching?.close();
  rmSync(folder, { recursive: true, force: true });
});

const write = (name: string) => writeFileSync(join(folder, name), String(Math.random()));

/** As editors do that write a new file and put it in the place of the old one. */
const replace = (name: string) => {
  write(`${name}.new`);
  renameSync(join(folder, `${name}.new`), join(folder, name));
};

async function watch(paths = ["."]) {
  watching = await watchProgram({
    clock: systemClock,
    paths: paths.map((path) => join(folder, path)),
    ignored: [join(folder, "state")],
    onChange: (change) => changes.push(change),
    onError: (error) => expect.unreachable(error.message),
  });
}

/** Makes a change, and waits until it is told; resolves to the ends of the files' names. */
async function toldAfter(act: () => void): Promise<string[]> {
  const before = changes.length;
  act();
  await expect.poll(() => changes.length, { timeout: 5_000 }).toBeGreaterThan(before);
  return changes.slice(before).flatMap(({ files }) => files.map((file) => file.slice(file.lastIndexOf("/") + 1)));
}

describe("a change of the program", () => {
  test("is told each time, however the file is written", async () => {
    await watch();
    for (const act of [replace, replace, write, replace, write]) {
      expect(await toldAfter(() => act("src/a.js"))).toContain("a.js");
    }
    expect(await toldAfter(() => unlinkSync(join(folder, "src/a.js")))).toContain("a.js");
    expect(await toldAfter(() => write("src/a.js"))).toContain("a.js");
    expect(await toldAfter(() => write("src/deep/new.js"))).toContain("new.js");
  });

  test("by way of another file, which takes its place, is one of the first", async () => {
    await watch();
    expect(await toldAfter(() => replace("src/a.js"))).toEqual(["a.js"]);
  });

  test("of several files at once is one, with the time of the last", async () => {
    await watch();
    const beganAt = Date.now();
    await toldAfter(() => {
      for (let index = 0; index < 5; index++) write(`src/${index}.js`);
    });
    expect(changes).toHaveLength(1);
    const [{ files, count, at } = expect.unreachable()] = changes;
    expect({ files: files.length, count }).toEqual({ files: 3, count: 5 });
    expect(at.getTime()).toBeGreaterThanOrEqual(beganAt);
    expect(at.getTime()).toBeLessThanOrEqual(Date.now() - 90); // told only once all was quiet
  });

  test("is none where node_modules, a dot file or the state folder changes", async () => {
    await watch();
    for (const name of ["node_modules/a/x.js", ".git/index", ".env", "src/.swp", "state/log"]) write(name);
    expect(await toldAfter(() => write("src/last.js"))).toEqual(["last.js"]);
  });

  test("counts in a dot folder that was named, and in a single file; elsewhere it does not", async () => {
    await watch([".git", "src/a.js"]);
    write("src/deep/b.js");
    expect(await toldAfter(() => write(".git/index"))).toEqual(["index"]);
    expect(await toldAfter(() => replace("src/a.js"))).toEqual(["a.js"]);
  });
});

test("a path that is not there is refused", async () => {
  await expect(watch(["no/such"])).rejects.toThrow(/Cannot watch .*no\/such: there is no such file or folder/);
});

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { findProgram } from "./find-program.ts";

/** A folder with `first/`, `second/` and these files in them. */
function folderWith(files: Readonly<Record<string, number>>): string {
  const folder = mkdtempSync(join(tmpdir(), "spawner-path-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ["first", "second", "first/folder"]) mkdirSync(join(folder, name));
  for (const [name, mode] of Object.entries(files)) writeFileSync(join(folder, name), "", { mode });
  return folder;
}

test("a program is the first file in PATH that can be run", () => {
  const cwd = folderWith({ "first/a": 0o644, "second/a": 0o755, "second/folder": 0o755 });
  const path = `${cwd}/none:${cwd}/first/a:${cwd}/first:${cwd}/second`;
  expect(findProgram("a", { cwd, path })).toBe(join(cwd, "second/a"));
  expect(findProgram("folder", { cwd, path })).toBe(join(cwd, "second/folder"));
});

test("folders in PATH that are relative are those of its own folder, and an empty one is that itself", () => {
  const cwd = folderWith({ "first/a": 0o755, b: 0o755 });
  expect(findProgram("a", { cwd, path: "first" })).toBe(join(cwd, "first/a"));
  expect(findProgram("b", { cwd, path: "first:" })).toBe(join(cwd, "b"));
});

test("a path is taken as it is", () => {
  expect(findProgram("./a", { cwd: "/", path: "/bin" })).toBe("./a");
});

test("without a PATH there are the system's own", () => {
  expect(findProgram("sh", { cwd: "/" })).toMatch(/^\/(usr\/)?bin\/sh$/);
});

test("what is not there and what cannot be run are told apart", () => {
  const cwd = folderWith({ "first/a": 0o644 });
  const find = (program: string) => () => findProgram(program, { cwd, path: `${cwd}/first:${cwd}/second` });
  expect(find("a")).toThrow(expect.objectContaining({ code: "EACCES" }));
  expect(find("b")).toThrow(expect.objectContaining({ code: "ENOENT" }));
});

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { commandProblem } from "./command-problem.ts";

test("a program that is not there, or not executable, is told of before any session needs it", () => {
  const folder = mkdtempSync(join(tmpdir(), "spawner-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const program = join(folder, "program");
  writeFileSync(program, "#!/bin/sh\n");
  mkdirSync(join(folder, "folder"));
  const missing = (name: string) => `${JSON.stringify(name)} cannot be started: `;
  expect(commandProblem(["program"], folder)).toContain(`${missing("program")}it is not in PATH`);
  expect(commandProblem([program])).toContain(`${missing(program)}there is no such program`);
  chmodSync(program, 0o755);
  expect(commandProblem(["program"], `/nowhere:${folder}`)).toBeUndefined();
  expect(commandProblem([program, "argument"])).toBeUndefined();
  expect(commandProblem(["folder"], folder)).toContain(missing("folder"));
  expect(commandProblem([""])).toContain(missing(""));
});

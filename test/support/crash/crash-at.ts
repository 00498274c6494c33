// Preloaded into a server (node --import): numbers every write to its state folder and every act upon a process, at the
// boundary to Node itself, writes them to a trace, and kills the server with SIGKILL right before or right after one of them.
import childProcess, { ChildProcess } from "node:child_process";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join, relative, resolve } from "node:path";
import { DatabaseSync, StatementSync } from "node:sqlite";
import { crashVariables, parseCrashPoint, type TraceLine } from "./trace.ts";

type Callable = (...args: unknown[]) => unknown;
interface Call {
  readonly self: unknown;
  readonly args: readonly unknown[];
  /** Does what was called for. */
  act(): unknown;
}

const { [crashVariables.stateDir]: stateDir = "", [crashVariables.trace]: trace = "" } = process.env;
const crashAt = parseCrashPoint(process.env[crashVariables.at] ?? "");
for (const name of Object.values(crashVariables)) delete process.env[name]; // not for the programs that it starts

const traceFile = fs.openSync(trace, "a");
const writeTrace = fs.writeSync;
const killSelf = process.kill.bind(process, process.pid, "SIGKILL");
let actions = 0;

/** An action of the server: a point before it and one after it, also where it throws. */
function action(name: string, act: () => unknown): unknown {
  actions += 1;
  const number = actions;
  tell({ kind: "action", number, name });
  if (number === crashAt.number && crashAt.moment === "before") killSelf();
  try {
    return act();
  } finally {
    if (number === crashAt.number && crashAt.moment === "after") killSelf();
  }
}

function tell(line: TraceLine): void {
  writeTrace(traceFile, `${JSON.stringify(line)}\n`);
}

/** Has `around` called in the place of a method. */
function wrap(owner: object, name: string, around: (call: Call) => unknown): void {
  const original = Reflect.get(owner, name) as Callable;
  Reflect.set(owner, name, function (this: unknown, ...args: unknown[]) {
    return around({ self: this, args, act: () => Reflect.apply(original, this, args) });
  });
}

wrapDatabase();
wrapProcesses();
wrapFiles();
syncBuiltinESMExports(); // for what imports these functions by name

function wrapDatabase(): void {
  /** What the open transaction will have stored, once it is committed; undefined where none is open. */
  let uncommitted: TraceLine[] | undefined;

  wrap(DatabaseSync.prototype, "exec", ({ args: [sql], act }) =>
    action(firstWords(String(sql)), () => {
      const result = act();
      if (/^BEGIN/.test(String(sql))) uncommitted = [];
      if (sql === "COMMIT") for (const line of uncommitted ?? []) tell(line);
      if (sql === "COMMIT" || sql === "ROLLBACK") uncommitted = undefined;
      return result;
    }),
  );
  wrap(DatabaseSync.prototype, "close", ({ act }) => action("close the database", act));
  for (const method of ["run", "get", "all", "iterate"]) {
    wrap(StatementSync.prototype, method, ({ self, args, act }) => {
      const { sourceSQL } = self as StatementSync;
      if (!/^\s*(INSERT|UPDATE|DELETE|REPLACE)/i.test(sourceSQL)) return act();
      return action(firstWords(sourceSQL), () => {
        const result = act();
        const line = storedBy(sourceSQL, args);
        if (line === undefined) return result;
        if (uncommitted === undefined) tell(line);
        else uncommitted.push(line);
        return result;
      });
    });
  }
}

/** What a statement stores, in the tables whose rows the tests have to know. */
function storedBy(sql: string, args: readonly unknown[]): TraceLine | undefined {
  const first = String(args[0]);
  const parsed = () => JSON.parse(String(args.at(-1)));
  if (/INTO backends/.test(sql)) return { kind: "backend stored", backend: parsed() };
  if (/FROM backends/.test(sql)) return { kind: "backend deleted", name: first };
  if (/INTO workloads/.test(sql)) return { kind: "workload stored", workload: parsed() };
  if (/FROM workloads/.test(sql)) return { kind: "workload removed", uid: first };
  return undefined;
}

function wrapProcesses(): void {
  wrap(childProcess, "spawn", ({ act }) => {
    const child = action("start a program", act) as ChildProcess;
    wrap(child, "emit", ({ args: [event], act }) =>
      event === "spawn" || event === "exit" || event === "error" ? action(`hear of its ${event}`, act) : act(),
    );
    return child;
  });
  wrap(ChildProcess.prototype, "kill", ({ args: [signal], act }) => action(`send it ${signal}`, act));
  wrap(process, "kill", ({ args: [pid, signal], act }) => {
    if (signal === 0) return act(); // only asks
    return action(`send ${signal} to ${Number(pid) < 0 ? "a group" : "a process"}`, act);
  });
}

function wrapFiles(): void {
  const changing = ["writeFile", "appendFile", "mkdir", "rm", "rmdir", "unlink", "truncate", "rename", "copyFile"];
  /** Node's own functions call one another: what one action does within itself is not another one. */
  let within = false;
  const wrapFile = (name: string, changes: (args: readonly unknown[]) => boolean) => {
    wrap(fs, `${name}Sync`, ({ args, act }) => {
      const path = args.find(isInStateDir);
      if (within || path === undefined || !changes(args)) return act();
      within = true;
      try {
        return action(`${name} ${nameOfFile(path)}`, act);
      } finally {
        within = false;
      }
    });
    for (const owner of [fs, fs.promises]) {
      wrap(owner, name, ({ args, act }) => {
        if (!args.some(isInStateDir) || !changes(args)) return act();
        throw new Error(`crash-at numbers no asynchronous write: ${name} ${args[0]}`);
      });
    }
  };
  for (const name of changing) wrapFile(name, () => true);
  wrapFile("open", ([, flags]) => flags !== undefined && flags !== "r");
}

function isInStateDir(path: unknown): path is string {
  return typeof path === "string" && `${resolve(path)}/`.startsWith(join(stateDir, "/"));
}

function nameOfFile(path: string): string {
  return relative(stateDir, path).replace(/[0-9a-f-]{36}/, "<uid>") || "the state folder";
}

function firstWords(sql: string): string {
  return sql
    .trim()
    .split(/[\s(;]+/, 5)
    .join(" ");
}

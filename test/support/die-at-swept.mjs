// For a server that is to be killed at the worst moment: ends this process as it records that a backend was swept, right
// before the record is written or right after, as DIE_AT_SWEPT says. `node --import die-at-swept.mjs ...`
import { DatabaseSync, StatementSync } from "node:sqlite";

const moment = process.env.DIE_AT_SWEPT;
const { run } = StatementSync.prototype;
const { exec } = DatabaseSync.prototype;
let isWritten = false;

StatementSync.prototype.run = function (...parameters) {
  const isSwept = parameters.some((parameter) => typeof parameter === "string" && parameter.includes('"swept":true'));
  if (isSwept && moment === "before") process.kill(process.pid, "SIGKILL");
  isWritten ||= isSwept;
  return run.apply(this, parameters);
};

DatabaseSync.prototype.exec = function (sql) {
  exec.call(this, sql);
  if (isWritten && sql === "COMMIT" && moment === "after") process.kill(process.pid, "SIGKILL");
};

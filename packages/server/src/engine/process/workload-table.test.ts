import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { FakeClock } from "../../lib/fake-clock.ts";
import { type WorkloadRecord, WorkloadTable } from "./workload-table.ts";

const record = (uid: string, programPort = 1): WorkloadRecord => ({
  ...{ name: "b", uid, programPort, relayPort: 2, constructedAt: "", gracePeriodSeconds: 1 },
  // Longer than a page of the database, so that there has to be space for it.
  ...{ firstClientSeconds: 1, end: { reason: "Crashed", message: "x".repeat(8_192), at: "" } },
});

/** A table on a disk that is full from now on, until `free`. */
function makeFullTable() {
  const database = new DatabaseSync(":memory:");
  onTestFinished(() => {
    if (database.isOpen) database.close();
  });
  database.exec("CREATE TABLE workloads (uid TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID");
  const clock = new FakeClock();
  const table = new WorkloadTable(database, clock);
  table.put(record("before"));
  const { page_count: pages } = database.prepare("PRAGMA page_count").get() as { page_count: number };
  database.exec(`PRAGMA max_page_count = ${pages}`);
  return { clock, database, table, free: () => database.exec("PRAGMA max_page_count = 1000") };
}

test("what a full disk does not take is written when there is space, as it is then", () => {
  const { clock, table, free } = makeFullTable();
  table.putSoon(record("a", 1));
  table.putSoon(record("a", 2));
  table.putSoon(record("b"));
  clock.advance(5_000);
  expect(table.all()).toEqual([record("before")]);
  free();
  clock.advance(1_000);
  expect(table.all()).toEqual([record("a", 2), record("b"), record("before")]);
});

test("what was removed before it could be written is never written", () => {
  const { clock, table, free } = makeFullTable();
  table.putSoon(record("a"));
  table.removeSoon("a");
  free();
  clock.advance(1_000);
  expect(table.all()).toEqual([record("before")]);
});

test("a last attempt is made at the end, and none after it", () => {
  const { clock, database, table, free } = makeFullTable();
  table.putSoon(record("a"));
  free();
  table.close();
  expect(table.all()).toEqual([record("a"), record("before")]);
  database.close();
  clock.advance(60_000);
});

test("what comes after the last attempt is not tried again", () => {
  const { clock, table, free } = makeFullTable();
  table.close();
  table.putSoon(record("a"));
  free();
  clock.advance(60_000);
  expect(table.all()).toEqual([record("before")]);
});

test("what must be written before anything is done throws where it cannot be", () => {
  const { table } = makeFullTable();
  expect(() => table.put(record("a"))).toThrow("full");
  expect(table.all()).toEqual([record("before")]);
});

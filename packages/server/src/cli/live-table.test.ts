import { describe, expect, test } from "vitest";
import { formatAge, type LiveSession, liveTable } from "./live-table.ts";

const now = new Date("2026-01-01T12:00:00Z");

const session = (id: string, overrides: Partial<LiveSession> = {}): LiveSession => ({
  id,
  state: "Ready",
  createdAt: new Date(now.getTime() - 5_000),
  clients: 0,
  isBusy: false,
  url: `http://127.0.0.1:8080/${id}/`,
  isStale: false,
  isEnding: false,
  ...overrides,
});

const sessions = (count: number) =>
  Array.from({ length: count }, (_, index) =>
    session(`s${index}`, { createdAt: new Date(now.getTime() - (count - index) * 1_000) }),
  );

const plain = { columns: 80, rows: 20, now, paint: (_: string, text: string) => text };

describe("the table of sessions", () => {
  test("has a line for each, the newest first, in columns", () => {
    const table = liveTable(
      [
        session("older", { clients: 12, createdAt: new Date("2026-01-01T11:30:00Z"), isStale: true }),
        session("new", { state: "Submitted", clients: undefined }),
      ],
      plain,
    );
    expect(table).toEqual([
      "ID     STATE         AGE  CLIENTS  URL",
      "new    Submitted     5s   ?        http://127.0.0.1:8080/new/",
      "older  Ready, stale  30m  12       http://127.0.0.1:8080/older/",
    ]);
  });

  test("says of one that is over that its program goes on, be it stale or not", () => {
    const over = { state: "Swept", isEnding: true } as const;
    const table = liveTable([session("a", over), session("b", { ...over, isStale: true })], plain);
    expect(table.slice(1)).toEqual([
      "a   Swept, ending  5s   0        http://127.0.0.1:8080/a/",
      "b   Swept, ending  5s   0        http://127.0.0.1:8080/b/",
    ]);
  });

  test("says whose program is busy, which no client explains", () => {
    const [, line] = liveTable([session("a", { isBusy: true })], plain);
    expect(line).toBe("a   Ready  5s   0, busy  http://127.0.0.1:8080/a/");
  });

  test.each<[string, number, number, string[]]>([
    ["none", 0, 20, ["no sessions"]],
    ["as many as there is room for", 3, 4, ["ID", "s2", "s1", "s0"]],
    ["one more than there is room for", 4, 4, ["ID", "s3", "s2", "… and 2 more"]],
    ["many more", 14, 4, ["ID", "s13", "s12", "… and 12 more"]],
    ["one, in hardly any room", 1, 2, ["1 session"]],
    ["many, in room for one line", 14, 1, ["14 sessions"]],
    ["many, in no room", 14, 0, []],
  ])("of %s fits the height", (_, count, rows, expected) => {
    const table = liveTable(sessions(count), { ...plain, rows });
    expect(table.map((line) => (/^s\d|^ID/.test(line) ? line.split(" ")[0] : line))).toEqual(expected);
  });

  test.each([1, 2, 9, 20, 37, 38, 39])("is never wider than %i columns, and says where it was cut", (columns) => {
    const table = liveTable(sessions(3), { ...plain, columns });
    const wide = liveTable(sessions(3), { ...plain, columns: 1_000 });
    for (const [index, line] of table.entries()) {
      const whole = wide[index] ?? "";
      expect(line).toBe(whole.length > columns ? `${whole.slice(0, columns - 1)}…` : whole);
    }
  });

  test("is painted without a change of its text or its width", () => {
    const paint = (style: string, text: string) => `<${style}>${text}</>`;
    for (const columns of [1_000, 30, 8]) {
      const painted = liveTable([...sessions(2), session("x", { isStale: true })], { ...plain, columns, paint });
      const text = painted.map((line) => line.replace(/<[^>]*>/g, ""));
      expect(text).toEqual(liveTable([...sessions(2), session("x", { isStale: true })], { ...plain, columns }));
    }
    expect(liveTable([session("x", { isStale: true })], { ...plain, paint })[1]).toContain("<yellow>Ready, stale  </>");
  });
});

test.each([
  [-5, "0s"],
  [999, "0s"],
  [119_999, "119s"],
  [120_000, "2m"],
  [7_199_999, "119m"],
  [7_200_000, "2h"],
  [172_800_000, "2d"],
])("an age of %i ms is %s", (ms, expected) => {
  expect(formatAge(ms)).toBe(expected);
});

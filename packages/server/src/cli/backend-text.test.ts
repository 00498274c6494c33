import type { BackendView } from "@spawner/client";
import { expect, test } from "vitest";
import { backendTable, backendText, changeLine, statusLine } from "./backend-text.ts";
import { oneLine, printable } from "./printable.ts";

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString();
const ready: BackendView = {
  name: "b1",
  generation: "u1",
  state: "Ready",
  time: at(1),
  url: "http://127.0.0.1/b1/",
  createdAt: at(0),
  transitions: [
    { state: "Submitted", time: at(0) },
    { state: "Ready", time: at(1) },
  ],
  gracePeriodSeconds: 300,
  terminationGracePeriodSeconds: 30,
};
const crashed: BackendView = {
  ...ready,
  name: "a-longer-id",
  state: "Failed",
  reason: "Crashed",
  message: "It exited with code 3. It wrote:\n\u001b[31mbad\u001b[0m\u0007 thing\n",
};
const { url: _, ...withoutUrl } = ready;

test("a table has columns as wide as they need, and a dash for what there is not", () => {
  expect(backendTable([ready, crashed, withoutUrl], new Date(at(180)))).toBe(
    `ID           STATE   REASON   AGE  URL
b1           Ready   -        3m   http://127.0.0.1/b1/
a-longer-id  Failed  Crashed  3m   http://127.0.0.1/b1/
b1           Ready   -        3m   -
`,
  );
});

test("one that is over while its program goes on is said to be ending", () => {
  const ending: BackendView = { ...ready, state: "Swept", reason: "Idle", ending: true };
  expect(backendTable([ending], new Date(at(5)))).toMatch(/^b1 +Swept, ending +Idle +5s/m);
  expect(backendText(ending, new Date(at(5)))).toMatch(/^STATE +Swept, ending$/m);
});

test("one backend is told with its message, as the program wrote it, but for what a terminal would obey", () => {
  expect(backendText(crashed, new Date(at(5)))).toBe(`ID      a-longer-id
STATE   Failed
REASON  Crashed
AGE     5s
URL     http://127.0.0.1/b1/

It exited with code 3. It wrote:
bad thing

  2026-01-01T00:00:00.000Z  Submitted
  2026-01-01T00:00:01.000Z  Ready
`);
});

test("a key is shown where any has one, whatever is in it, and for whom it was started", () => {
  const keyed: BackendView = { ...ready, key: "a\u001b[31m b\nc", user: "ada" };
  expect(backendTable([crashed, keyed], new Date(at(180)))).toBe(
    `ID           STATE   REASON   AGE  URL                   KEY
a-longer-id  Failed  Crashed  3m   http://127.0.0.1/b1/  -
b1           Ready   -        3m   http://127.0.0.1/b1/  a b ⏎ c
`,
  );
  expect(backendText(keyed, new Date(at(5)))).toMatch(/^KEY +a b ⏎ c\nUSER +ada$/m);
});

test("a state is a line, whatever its message has", () => {
  expect(statusLine({ state: "Ready", time: at(0) })).toBe("2026-01-01T00:00:00.000Z  Ready\n");
  const { state, reason = "Crashed", message = "" } = crashed;
  expect(statusLine({ state, time: at(0), reason, message })).toBe(
    "2026-01-01T00:00:00.000Z  Failed  Crashed: It exited with code 3. It wrote: ⏎ bad thing\n",
  );
});

test.each([
  ["\u001b]0;title\u0007text", "text"],
  ["a\u001b[2J\u001b[Hb", "ab"],
  ["a\u0000\u0008\u007f\u009bb\tc\nd", "ab\tc\nd"],
  ["over\rwritten", "overwritten"],
  ["äöü 😀", "äöü 😀"],
])("%j is printed as %j", (text, expected) => {
  expect(printable(text)).toBe(expected);
});

test("lines become one, with their ends to be seen", () => {
  expect(oneLine("\n a\r\n  b\nc\rd \n")).toBe("a ⏎ b ⏎ c ⏎ d");
});

test("a change of a list is one line, whatever a program wrote at its end", () => {
  expect(changeLine({ type: "added", backend: ready }, new Date(at(2)))).toBe(
    "2026-01-01T00:00:02.000Z  added    b1  Ready\n",
  );
  const failed = { ...ready, state: "Failed", reason: "Crashed", message: "It said:\n\u001b[2Jno" } as const;
  const line = changeLine({ type: "changed", backend: failed }, new Date(at(2)));
  expect(line).toMatch(/^2026-01-01T00:00:02\.000Z {2}changed {2}b1 {2}Failed {2}Crashed: It said:.*no\n$/);
  expect(line).not.toContain("\u001b");
});

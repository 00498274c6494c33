import { faultTest, untilPodsRun, whileBroken } from "../support/cluster/faults.ts";
import { expectNobodyNotices } from "../support/cluster/outage.ts";

for (const [what, part] of [
  ["the API server", "apiserver"],
  ["the database of the API server", "etcd"],
] as const) {
  faultTest(
    `nobody notices that ${what} is paused for a minute, and then all goes on`,
    () =>
      expectNobodyNotices({
        whileAway: (act) => whileBroken(part, { by: "pause" }, act),
        untilWhole: ({ client }) => untilPodsRun(client),
      }),
    300_000,
  );
}

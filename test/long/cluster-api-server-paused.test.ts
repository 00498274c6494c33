import { faultTest, untilPodsRun, whileBroken } from "../support/cluster/faults.ts";
import { expectNobodyNotices } from "../support/cluster/outage.ts";

faultTest(
  "nobody notices that the API server is paused for a minute, and then all goes on",
  () =>
    expectNobodyNotices({
      whileAway: (act) => whileBroken("apiserver", { by: "pause" }, act),
      untilWhole: ({ client }) => untilPodsRun(client),
    }),
  300_000,
);

import { faultTest, untilPodsRun, whileBroken } from "../support/cluster/faults.ts";
import { expectNobodyNotices } from "../support/cluster/outage.ts";

// For a minute it is away in test/cluster-faults/api-server-away.test.ts.
faultTest(
  "nobody notices that the API server is killed and away for ten minutes, and then all goes on",
  () =>
    expectNobodyNotices({
      outageMs: 600_000,
      whileAway: (act) => whileBroken("apiserver", { by: "kill" }, act),
      untilWhole: ({ client }) => untilPodsRun(client),
    }),
  1_200_000,
);

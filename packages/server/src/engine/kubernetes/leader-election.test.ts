import { expect, onTestFinished, test } from "vitest";
import { aborted } from "../../lib/aborted.ts";
import { FakeClock } from "../../lib/fake-clock.ts";
import { silentLog } from "../../lib/log.ts";
import { LeaseServer, type Outcome } from "./fixtures/lease-server.ts";
import type { KubeRequest } from "./kube-client.ts";
import { LeaderElection } from "./leader-election.ts";

/** One candidate, with what it went through: `lead`, `stop`. */
function stand(
  server: LeaseServer,
  name: string,
  { clock = new FakeClock(), outcome }: { clock?: FakeClock; outcome?: (request: KubeRequest) => Outcome } = {},
) {
  const course: string[] = [];
  const end = new AbortController();
  const stopping = Promise.withResolvers<void>();
  let stopsAtOnce = true;
  const election = new LeaderElection({
    client: server.client(name, outcome),
    clock,
    log: silentLog,
    lease: "spawner-controller",
    identity: name,
  });
  const ran = election.run(async (term) => {
    course.push("lead");
    await aborted(term);
    if (!stopsAtOnce) await stopping.promise;
    course.push("stop");
  }, end.signal);
  onTestFinished(() => end.abort());
  return {
    clock,
    course,
    election,
    ran,
    end: () => end.abort(),
    /** What it does at its end takes its time from now on; returns what ends that. */
    stopSlowly() {
      stopsAtOnce = false;
      return stopping.resolve;
    },
  };
}

/** Moves the clocks on together, a little at a time, and lets what is due be done. */
async function advance(clocks: readonly FakeClock[], ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    for (const clock of clocks) clock.advance(100);
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  }
}

test("one of two leads, and goes on to", async () => {
  const server = new LeaseServer();
  const [a, b] = [stand(server, "a"), stand(server, "b")];
  await advance([a.clock, b.clock], 60_000);
  expect([a.course, b.course]).toEqual([["lead"], []]);
  expect([a.election.isLeading, b.election.isLeading]).toEqual([true, false]);
  expect(server.lease?.spec).toMatchObject({ holderIdentity: "a", leaseTransitions: 0 });
});

test("another one leads 10 to 12 s after a leader was killed, whatever their clocks say", async () => {
  const server = new LeaseServer();
  const a = stand(server, "a");
  const b = stand(server, "b", { clock: new FakeClock(new Date("2031-01-01T00:00:00Z")) });
  await advance([a.clock, b.clock], 7_000);
  expect(a.course).toEqual(["lead"]);
  await advance([b.clock], 9_000); // a's clock stands: as good as killed
  expect(b.course).toEqual([]);
  await advance([b.clock], 3_000);
  expect(b.course).toEqual(["lead"]);
  expect(server.lease?.spec).toMatchObject({ holderIdentity: "b", leaseTransitions: 1 });
});

test("another one leads within 2 s where the leader ends as it should", async () => {
  const server = new LeaseServer();
  const [a, b] = [stand(server, "a"), stand(server, "b")];
  await advance([a.clock, b.clock], 7_000);
  a.end();
  await a.ran;
  expect(a.course).toEqual(["lead", "stop"]);
  await advance([b.clock], 2_000);
  expect(b.course).toEqual(["lead"]);
});

test("the lease is given back only when the work has ended, and renewed until then", async () => {
  const server = new LeaseServer();
  const [a, b] = [stand(server, "a"), stand(server, "b")];
  await advance([a.clock, b.clock], 3_000);
  const stopped = a.stopSlowly();
  a.end();
  await advance([a.clock, b.clock], 30_000);
  expect([a.course, b.course, a.election.isLeading]).toEqual([["lead"], [], true]);
  stopped();
  await a.ran;
  await advance([b.clock], 2_000);
  expect([a.course, b.course]).toEqual([["lead", "stop"], ["lead"]]);
});

test("a leader whose renewals do not arrive stops before another begins, and stands by again", async () => {
  const server = new LeaseServer();
  let isCut = false;
  const a = stand(server, "a", { outcome: () => (isCut ? "refused" : "answered") });
  const b = stand(server, "b");
  const clocks = [a.clock, b.clock];
  await advance(clocks, 3_000);
  isCut = true;
  await advance(clocks, 6_000);
  expect([a.course, a.election.isLeading, b.course]).toEqual([["lead", "stop"], false, []]);
  await advance(clocks, 6_000);
  expect(b.course).toEqual(["lead"]);
  isCut = false;
  await advance(clocks, 20_000);
  expect([a.course, b.course]).toEqual([["lead", "stop"], ["lead"]]);
});

test("a leader leads again at once when the API server is back and nobody else has taken the lease", async () => {
  const server = new LeaseServer();
  let isAway = false;
  const a = stand(server, "a", { outcome: () => (isAway ? "refused" : "answered") });
  await advance([a.clock], 3_000);
  isAway = true;
  await advance([a.clock], 60_000);
  expect(a.course).toEqual(["lead", "stop"]);
  isAway = false;
  await advance([a.clock], 2_000);
  expect(a.course).toEqual(["lead", "stop", "lead"]);
});

test.each([
  ["taking", "POST"],
  ["renewing", "PUT"],
])("the answer to %s the lease may be lost", async (_, method) => {
  const server = new LeaseServer();
  let lost = 0;
  const a = stand(server, "a", {
    outcome: (request) => (request.method === method && lost++ === 0 ? "done unanswered" : "answered"),
  });
  await advance([a.clock], 20_000);
  expect([a.course, a.election.isLeading, lost > 0]).toEqual([["lead"], true, true]);
});

test("a process that was stopped knows that it leads no more before it has done anything", async () => {
  const server = new LeaseServer();
  const a = stand(server, "a");
  await advance([a.clock], 3_000);
  const { isLeading } = a.election;
  const { monotonicMs } = a.clock;
  a.clock.monotonicMs = () => monotonicMs.call(a.clock) + 20_000; // no timer has fired yet
  expect([isLeading, a.election.isLeading]).toEqual([true, false]);
});

test("a lease that is deleted is made again by its holder; one that was given to another is not taken back", async () => {
  const server = new LeaseServer();
  const a = stand(server, "a");
  await advance([a.clock], 3_000);
  server.lease = undefined;
  await advance([a.clock], 5_000);
  expect([a.course, server.lease]).toMatchObject([["lead"], { spec: { holderIdentity: "a" } }]);
  server.edit({ holderIdentity: "somebody", leaseDurationSeconds: 10 });
  await advance([a.clock], 3_000);
  expect([a.course, a.election.isLeading]).toEqual([["lead", "stop"], false]);
  await advance([a.clock], 10_000);
  expect(a.course).toEqual(["lead", "stop", "lead"]);
});

test("of many that stand at once, one leads", async () => {
  const server = new LeaseServer();
  const many = Array.from({ length: 10 }, (_, index) => stand(server, `c${index}`));
  await advance(
    many.map(({ clock }) => clock),
    15_000,
  );
  expect(many.filter(({ election }) => election.isLeading)).toHaveLength(1);
  expect(server.writes.filter((write) => write.endsWith("POST"))).toHaveLength(1);
});

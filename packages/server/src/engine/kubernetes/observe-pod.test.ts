import { describe, expect, test } from "vitest";
import { deadlines } from "../../core/deadlines.ts";
import pods from "./fixtures/pods.json" with { type: "json" };
import { observePod } from "./observe-pod.ts";
import type { Pod } from "./pod-object.ts";
import { problemOfPod } from "./pod-problem.ts";
import { keepOfPod } from "./pod-view.ts";

// Pods of a Kubernetes 1.36, as its API server gave them at one moment of a life, trimmed to what could matter here.
type PodName = keyof typeof pods;

const now = new Date("2026-11-25T22:00:00Z");
const podOf = (name: PodName) => pods[name] as unknown as Pod;

/** As the engine does: by what is kept of a Pod. */
function observe(pod: Pod, problemSince = now) {
  const kept = keepOfPod(pod);
  const problem = problemOfPod(kept);
  return observePod(kept, { now, problemSince, ...(problem === undefined ? {} : { problem }) });
}

const changed = (name: PodName, change: (pod: Pod) => Partial<Pod>): Pod => ({
  ...podOf(name),
  ...change(podOf(name)),
});

const address = {
  ip: "10.244.0.3",
  port: 9090,
  nodeName: "node-1",
  workloadUID: podOf("running").metadata.uid,
};
const constructedAt = new Date("2026-11-25T21:00:26Z");
const scheduledAt = constructedAt;

describe("a Pod that starts", () => {
  test.each([
    ["is made", "created", { kind: "pending", constructedAt, waitsFor: expect.stringContaining("No scheduler") }],
    ["has a node", "scheduled", { kind: "pending", constructedAt, scheduledAt }],
    ["is made ready on its node", "preparing", { kind: "pending", constructedAt, scheduledAt }],
    ["has its sidecar", "relaying", { kind: "pending", constructedAt, scheduledAt, address }],
    [
      "has its program",
      "running",
      { kind: "running", constructedAt, scheduledAt, runningAt: new Date("2026-11-25T21:00:28Z"), address },
    ],
  ] as const)("%s", (_, name, observation) => {
    expect(observe(podOf(name))).toEqual(observation);
  });

  test.each([
    ["scheduler", { schedulerName: "none" }, 'No scheduler has taken its Pod (schedulerName "none"): is there one?'],
    [
      "scheduler, the default one",
      { schedulerName: "default-scheduler" },
      'No scheduler has taken its Pod (schedulerName "default-scheduler"): is there one?',
    ],
    ["kubelet", { nodeName: "none" }, 'No kubelet has taken its Pod (nodeName "none"): is there such a node?'],
  ])("says who has not taken it, should nobody ever do: no %s", (_, given, waitsFor) => {
    const pod = changed("created", ({ spec }) => ({ spec: { ...spec, ...given } }));
    expect(observe(pod)).toEqual({ kind: "pending", constructedAt, waitsFor });
  });

  test("is not said to be reachable before its sidecar is, though it has an IP address", () => {
    const pod = changed("relaying", ({ status = {} }) => ({ status: { ...status, initContainerStatuses: [] } }));
    expect(observe(pod)).toEqual({ kind: "pending", constructedAt, scheduledAt });
  });

  test("is reachable at another port where its program wants that of the relay", () => {
    const pod = changed("running", ({ spec }) => ({
      spec: { ...spec, initContainers: [{ name: "spawner-sidecar", ports: [{ containerPort: 9190 }] }] },
    }));
    expect(observe(pod)).toMatchObject({ address: { port: 9190 } });
  });

  test("goes on where its sidecar starts anew, and says so should the program never be heard to listen", () => {
    const waiting = { reason: "CrashLoopBackOff", message: "back-off 10s" };
    const pod = changed("running", ({ status = {} }) => ({
      status: { ...status, initContainerStatuses: [{ name: "spawner-sidecar", state: { waiting } }] },
    }));
    expect(observe(pod)).toMatchObject({
      kind: "running",
      address,
      notListening: "Its relay, container spawner-sidecar, does not run (CrashLoopBackOff: back-off 10s).",
    });
  });

  test("of 0.1.9's has its sidecar beside the application, which knows no control port", () => {
    const sidecar = { name: "spawner-sidecar" };
    const pod = changed("running", ({ spec, status = {} }) => ({
      spec: { nodeName: "node-1", containers: [...spec.containers, sidecar] },
      status: {
        ...status,
        initContainerStatuses: [],
        containerStatuses: [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])],
      },
    }));
    expect(observe(pod)).toMatchObject({ kind: "running", address: { ...address, relayProtocol: 0 } });
  });
});

describe("what holds up a start", () => {
  const soon = new Date(now.getTime() + deadlines.startProblemMs);
  const why =
    'failed to resolve image: failed to do request: Head "https://localhost/v2/none/manifests/1": dial tcp 127.0.0.1:443: connect: connection refused.';
  const notPulled = 'The image "localhost/none:1" of container application cannot be pulled: ';
  test.each([
    ["imageMissing", "ImagePull", `${notPulled}failed to pull and unpack image "localhost/none:1": ${why}`, soon],
    ["imageBackOff", "ImagePull", `${notPulled}failed to pull and unpack image "localhost/none:1": ${why}`, soon],
    [
      "imageNeverPulled",
      "ImagePull",
      `${notPulled}Container image "localhost/none:1" is not present with pull policy of Never.`,
      soon,
    ],
    [
      "imageInvalid",
      "ImagePull",
      'The image "NOT/Valid:::" of container application cannot be pulled: Failed to apply default image tag "NOT/Valid:::": ' +
        'couldn\'t parse image name "NOT/Valid:::": invalid reference format: repository name (Valid) must be lowercase.',
      now,
    ],
    [
      "configMapMissing",
      "StartError",
      'The program of container application cannot be started: configmap "none" not found.',
      soon,
    ],
    [
      "rootRefused",
      "StartError",
      expect.stringMatching(
        /^The program of container application .*container's runAsUser breaks non-root policy .*\.$/,
      ),
      soon,
    ],
    [
      "unschedulable",
      "Unschedulable",
      "No node takes the backend's Pod: 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. " +
        "no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
      undefined,
    ],
  ] as const)("%s", (name, reason, message, until) => {
    const problem = { reason, message, ...(until === undefined ? {} : { until }) };
    expect(observe(podOf(name))).toEqual(expect.objectContaining({ kind: "pending", problem }));
  });

  test("is counted from when it was first seen", () => {
    const since = new Date(now.getTime() - 20_000);
    expect(observe(podOf("imageBackOff"), since)).toHaveProperty(
      "problem.until",
      new Date(since.getTime() + deadlines.startProblemMs),
    );
  });

  test("is said of the sidecar as Spawner's own", () => {
    const waiting = { reason: "ErrImagePull", message: "not found" };
    const pod = changed("preparing", ({ status = {} }) => ({
      status: { ...status, initContainerStatuses: [{ name: "spawner-sidecar", image: "a/b:1", state: { waiting } }] },
    }));
    expect(observe(pod)).toMatchObject({
      problem: { message: 'The image "a/b:1" of Spawner\'s own sidecar cannot be pulled: not found.' },
    });
  });

  test("is not known of a volume that cannot be mounted: only Events say that", () => {
    expect(observe(podOf("volumeMissing"))).not.toHaveProperty("problem");
  });
});

describe("a Pod that is over", () => {
  const limit = "its limit of 96Mi (resources.limits.memory of its container)";
  test.each([
    ["exited", "Exited", "The program exited with code 0."],
    ["crashed", "Crashed", "The program exited with code 3. Its last output:\nlast words"],
    ["crashedBySignal", "Crashed", "The program exited with code 139 (SIGSEGV). Its last output:\ngoing"],
    [
      "outOfMemory",
      "OutOfMemory",
      `The program was killed since it used more memory than ${limit}. Its last output:\nfilling up`,
    ],
    [
      "commandMissing",
      "StartError",
      'The program could not be started: exec: "no-such-program": executable file not found in $PATH.',
    ],
    ["folderMissing", "StartError", "The program could not be started: mkdir /proc/nope: no such file or directory."],
    ["initFailed", "StartError", "The init container first exited with code 4. Its last output:\ninit words"],
    ["deadlineExceeded", "LifetimeExceeded", "The backend's Pod reached its activeDeadlineSeconds."],
    ["nodeGone", "NodeLost", "The node of the backend is gone: PodGC: node no longer exists."],
    ["evicted", "Evicted", "The backend's Pod was evicted: Eviction API: evicting."],
  ] as const)("%s", (name, reason, message) => {
    expect(observe(podOf(name))).toMatchObject({ kind: "ended", end: { reason, message } });
  });

  test("says when its program began and ended, in order", () => {
    expect(observe(podOf("crashed"))).toMatchObject({
      constructedAt: new Date("2026-11-25T21:00:27Z"),
      runningAt: new Date("2026-11-25T21:00:30Z"),
      end: { at: new Date("2026-11-25T21:00:31Z") },
    });
  });

  test("whose program never began does not say that it ran", () => {
    expect(observe(podOf("commandMissing"))).not.toHaveProperty("runningAt");
  });

  test("has the last ten lines of its program in its message", () => {
    const observation = observe(podOf("crashedAfterManyLines"));
    const lines = Array.from({ length: 10 }, (_, index) => `line ${190 + index}`).join("\n");
    expect(observation).toHaveProperty("end.message", `The program exited with code 1. Its last output:\n${lines}`);
  });

  test("lacks the output of a success, which its node does not tell", () => {
    expect(observe(podOf("exited"))).toHaveProperty("end.lacksOutput", true);
    expect(observe(podOf("crashed"))).not.toHaveProperty("end.lacksOutput");
  });

  test.each([
    [
      "Evicted",
      "The node was low on resource: memory. ",
      "Evicted",
      "was ended (Evicted): The node was low on resource: memory.",
    ],
    [
      "Terminated",
      "Pod was terminated in response to imminent node shutdown.",
      "Evicted",
      "was ended (Terminated): Pod was",
    ],
    [
      "OutOfcpu",
      "Node didn't have enough resource: cpu",
      "Rejected",
      "refused the backend's Pod (OutOfcpu): Node didn't",
    ],
  ])("as a whole: %s", (reason, told, ends, message) => {
    const pod = changed("running", () => ({ status: { phase: "Failed", reason, message: told } }));
    expect(observe(pod)).toMatchObject({ end: { reason: ends, message: expect.stringContaining(message) } });
  });

  test("though its sidecar goes on, as 0.1.9's does", () => {
    const pod = changed("crashed", ({ spec, status = {} }) => ({
      spec: { ...spec, initContainers: [], containers: [...spec.containers, { name: "spawner-sidecar" }] },
      status: { ...status, phase: "Running" },
    }));
    expect(observe(pod)).toMatchObject({ kind: "ended", end: { reason: "Crashed" } });
  });
});

describe("a Pod whose node is not heard of", () => {
  const pod = keepOfPod(podOf("unheard"));

  test("runs", () => {
    expect(observePod(pod, { now })).toMatchObject({ kind: "running" });
  });

  test("has lost its node once it has been silent for long itself", () => {
    const end = { reason: "NodeLost", message: expect.stringContaining('node "node-1"'), at: now };
    expect(observePod(pod, { now, isLost: true })).toMatchObject({ kind: "ended", end });
  });
});

describe("a Pod that is deleted", () => {
  test("by hand is stopping", () => {
    expect(observe(podOf("deleted"))).toEqual({ kind: "stopping" });
  });

  test("is stopping however its program takes it", () => {
    const { deletionTimestamp = "" } = podOf("deleted").metadata;
    const pod = changed("crashed", ({ metadata }) => ({ metadata: { ...metadata, deletionTimestamp } }));
    expect(observe(pod)).toEqual({ kind: "stopping" });
  });

  test.each([
    ["DeletionByTaintManager", "Evicted"],
    ["PreemptionByScheduler", "Evicted"],
    ["DeletionByPodGC", "NodeLost"],
  ])("by %s has ended as %s", (why, reason) => {
    const pod = changed("evicted", ({ status = {} }) => ({
      status: { ...status, conditions: [{ type: "DisruptionTarget", status: "True", reason: why, message: "words" }] },
    }));
    expect(observe(pod)).toMatchObject({ end: { reason, message: expect.stringContaining("words.") } });
  });

  test("is not said to be ended while it was only chosen for it", () => {
    const pod = changed("evicted", ({ metadata: { deletionTimestamp: _, ...metadata } }) => ({ metadata }));
    expect(observe(pod)).toMatchObject({ kind: "running" });
  });
});

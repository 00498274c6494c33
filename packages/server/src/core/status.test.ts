import { backendStates, type EndReason, failedReasons, sweptReasons } from "@spawner/client";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addressOf } from "./address.ts";
import type { Backend, BackendSpec, BackendStatus } from "./resource.ts";
import { endStateOf, isEndState, livingStates, rankOf } from "./states.ts";
import {
  applyStatusPatch,
  endedAt,
  endedPatch,
  explainedEndPatch,
  hasEnded,
  reachedPatch,
  recordedHistory,
  recordedStatus,
  type StatusPatch,
  stateOf,
  statusHistory,
  statusMessage,
  stayedPatch,
  unrecordedReady,
} from "./status.ts";

const time = (second: number) => `2026-01-01T00:00:0${second}.000Z`;

const makeBackend = (status: BackendStatus = {}): Backend => ({
  metadata: { name: "b", uid: "u", resourceVersion: "1", creationTimestamp: time(0), labels: {} },
  spec: { template: { containers: [{}] } },
  status,
});

const patched = (backend: Backend, patch: StatusPatch | undefined): Backend => ({
  ...backend,
  status: applyStatusPatch(backend.status, patch ?? {}),
});

const address = { ip: "10.0.0.7", port: 9090, nodeName: "node", workloadUID: "w" };

describe("the state", () => {
  test.each<[string, BackendStatus, string]>([
    ["no status at all", {}, "Submitted"],
    ["the first flag", { submitted: true }, "Submitted"],
    ["a later flag without those before", { running: true }, "Running"],
    ["a flag that is false", { submitted: true, ready: false }, "Submitted"],
    ["swept after all", { submitted: true, ready: true, swept: true }, "Swept"],
    ["failed before anything", { failed: true }, "Failed"],
    ["both ends, as two writers could make them", { swept: true, failed: true }, "Failed"],
  ])("of %s", (_, status, state) => {
    expect(stateOf(makeBackend(status))).toBe(state);
  });

  test("every reason belongs to one end", () => {
    for (const reason of sweptReasons) expect(endStateOf(reason)).toBe("Swept");
    for (const reason of failedReasons) expect(endStateOf(reason)).toBe("Failed");
    expect(backendStates.filter(isEndState)).toEqual(["Swept", "Failed"]);
    expect([...backendStates].sort((a, b) => rankOf(a) - rankOf(b))).toEqual(backendStates);
  });
});

describe("what clients are told", () => {
  const lived = makeBackend({
    submitted: true,
    ready: true,
    swept: true,
    reason: "Idle",
    message: "nobody was there",
    transitions: { Ready: { time: time(3) }, Constructed: { time: time(1) }, Swept: { time: time(4) } },
  });

  const asked: Partial<BackendSpec> = { stopRequested: true, stopRequestedAt: time(5) };
  const stopping = (status: BackendStatus, spec = asked): Backend => {
    const backend = makeBackend(status);
    return { ...backend, spec: { ...backend.spec, ...spec } };
  };
  const inShort = (backend: Backend) =>
    statusHistory(backend).map(({ state, time }) => `${state} ${time.slice(17, 19)}`);

  test("that it is stopping, from when it was asked to end, before the end and behind every other state", () => {
    const ready = stopping({ ready: true, transitions: { Ready: { time: time(3) } } });
    expect(inShort(ready)).toEqual(["Submitted 00", "Ready 03", "Stopping 05"]);
    expect(statusMessage(ready)).toEqual({ state: "Stopping", time: time(5) });
    expect(recordedStatus(ready)).toEqual({ state: "Ready", time: time(3) });
    const ended = patched(ready, endedPatch(ready, { reason: "Requested", message: "", at: new Date(time(7)) }));
    expect(inShort(ended)).toEqual(["Submitted 00", "Ready 03", "Stopping 05", "Swept 07"]);
    expect(statusMessage(ended)).toMatchObject({ state: "Swept", reason: "Requested" });
    expect(recordedHistory(ended).map(({ state }) => state)).toEqual(["Submitted", "Ready", "Swept"]);
    const late = stopping({ running: true, transitions: { Running: { time: time(6) } } });
    expect(inShort(late)).toEqual(["Submitted 00", "Running 06", "Stopping 06"]);
  });

  test("that it was stopping when its lifetime was over, and of no other end that nobody asked for", () => {
    const end = (reason: EndReason) => {
      const backend = stopping({}, { lifetimeSeconds: 4 });
      return patched(backend, endedPatch(backend, { reason, message: "", at: new Date(time(6)) }));
    };
    expect(inShort(end("LifetimeExceeded"))).toEqual(["Submitted 00", "Stopping 04", "Swept 06"]);
    expect(inShort(end("Idle"))).toEqual(["Submitted 00", "Swept 06"]);
    expect(inShort(end("Crashed"))).toEqual(["Submitted 00", "Failed 06"]);
    expect(inShort(stopping({}, { lifetimeSeconds: 4 }))).toEqual(["Submitted 00"]);
    expect(inShort(stopping({}, { stopRequested: true, stopRequestedAt: "now" }))).toEqual(["Submitted 00"]);
    expect(inShort(stopping({}, { stopRequestedAt: time(5) }))).toEqual(["Submitted 00"]);
  });

  test("each state whose time is known, oldest first, the end with its reason", () => {
    expect(statusHistory(lived)).toEqual([
      { state: "Submitted", time: time(0) },
      { state: "Constructed", time: time(1) },
      { state: "Ready", time: time(3) },
      { state: "Swept", time: time(4), reason: "Idle", message: "nobody was there" },
    ]);
    expect(statusMessage(lived)).toEqual(statusHistory(lived).at(-1));
    expect(endedAt(lived)).toEqual(new Date(time(4)));
  });

  test("a new backend was submitted when it was created", () => {
    expect(statusHistory(makeBackend())).toEqual([{ state: "Submitted", time: time(0) }]);
    expect(statusMessage(makeBackend())).toEqual({ state: "Submitted", time: time(0) });
    expect(endedAt(makeBackend())).toBeUndefined();
  });

  test("a reason is told of an end only", () => {
    expect(statusMessage(makeBackend({ ready: true, reason: "Idle" }))).not.toHaveProperty("reason");
  });
});

describe("the address", () => {
  test("is known when all of it is", () => {
    const { podIP, port, podUID, nodeName } = { podIP: "10.0.0.7", port: 9090, podUID: "w", nodeName: "node" };
    expect(addressOf(makeBackend({ podIP, port, podUID, nodeName }))).toEqual(address);
    expect(addressOf(makeBackend({ podIP, port, podUID }))).toEqual({ ...address, nodeName: "" });
    for (const partial of [
      { port, podUID },
      { podIP, podUID },
      { podIP, port },
    ]) {
      expect(addressOf(makeBackend(partial))).toBeUndefined();
    }
  });

  test.each([
    ["10.0.0.7", "http://10.0.0.7:9090/"],
    ["fd00::7", "http://[fd00::7]:9090/"],
  ])("%s is read as it was written, and makes the URL %s", (ip, url) => {
    const written = patched(makeBackend(), reachedPatch(makeBackend(), {}, { ...address, ip }));
    expect(written.status.url).toBe(url);
    expect(addressOf(written)).toEqual({ ...address, ip });
  });
});

describe("what 0.1.9 wrote", () => {
  /** As its controller leaves a running backend. */
  const running = {
    constructed: true,
    scheduled: true,
    running: true,
    nodeName: "node",
    ip: "10.96.80.86",
    url: "http://b1.spawner:9090/",
  };

  test("its controller's address is that of the Service, with its sidecar behind it", () => {
    expect(addressOf(makeBackend(running))).toEqual({
      ip: "10.96.80.86",
      port: 9090,
      nodeName: "node",
      workloadUID: "",
      relayProtocol: 0,
    });
    expect(addressOf(makeBackend({ constructed: true }))).toBeUndefined();
  });

  test("its sidecar stays known as one when the Pod's own address is written", () => {
    const legacy = { ...address, relayProtocol: 0 } as const;
    const written = patched(makeBackend(running), reachedPatch(makeBackend(running), {}, legacy));
    expect(addressOf(written)).toEqual(legacy);
    expect(reachedPatch(written, {}, legacy)).toBeUndefined();
  });

  test("ip and url stay the Service's where there is one, and ours reach the Pod", () => {
    const service = { ip: "10.96.80.86", url: "http://b1.spawner:9090/" };
    const written = patched(makeBackend(), reachedPatch(makeBackend(), {}, { ...address, service }));
    expect(written.status).toMatchObject({ ...service, podIP: address.ip, port: address.port });
    expect(addressOf(written)).toEqual(address);
    expect(reachedPatch(written, {}, { ...address, service })).toBeUndefined();
    expect(reachedPatch(written, {}, address)).toBeUndefined();
  });

  test("a ready backend gets the time, the phase and the condition that its sweeper did not write", () => {
    const backend = makeBackend({ ...running, ready: true });
    const now = new Date(time(9));
    expect(patched(backend, reachedPatch(backend, unrecordedReady(backend, now))).status).toMatchObject({
      phase: "Ready",
      transitions: { Ready: { time: time(9) } },
      conditions: [{ type: "Ready", status: "True" }],
    });
    const timed = { ...running, ready: true, transitions: { Ready: { time: time(3) } } };
    expect(unrecordedReady(makeBackend(timed), now)).toEqual({});
    expect(unrecordedReady(makeBackend(running), now)).toEqual({});
  });

  test.each([
    ["swept", "Swept", "Idle", { submitted: true, ready: true }],
    ["failed", "Failed", "Crashed", { submitted: true }],
  ] as const)("%s becomes %s as %s, with message and time", (flag, state, reason, flags) => {
    const backend = makeBackend({ constructed: true, [flag]: true });
    const explained = patched(backend, explainedEndPatch(backend, new Date(time(9))));
    expect(explained.status).toMatchObject({ ...flags, phase: state, reason, message: expect.any(String) });
    expect(endedAt(explained)).toEqual(new Date(time(9)));
    expect(explainedEndPatch(explained, new Date(time(10)))).toBeUndefined();
  });

  test("what was said of an end by whoever wrote its flag is kept, where it fits", () => {
    const explained = (status: BackendStatus) => {
      const backend = makeBackend(status);
      return patched(backend, explainedEndPatch(backend, new Date(time(9)))).status;
    };
    const message = "The node goes away.";
    expect(explained({ failed: true, message })).toMatchObject({ reason: "Crashed", message });
    expect(explained({ failed: true, reason: "Evicted", message })).toMatchObject({ reason: "Evicted", message });
    expect(explained({ failed: true, reason: "Idle" })).toMatchObject({ reason: "Crashed" });
    const seen = { reason: "Crashed", message: "code 3" } as const;
    const crashed = makeBackend({ failed: true });
    expect(explainedEndPatch(crashed, new Date(time(9)), seen)).toMatchObject(seen);
    const given = makeBackend({ failed: true, message });
    expect(explainedEndPatch(given, new Date(time(9)), seen)).toMatchObject({ reason: "Crashed", message });
  });

  test("a living backend needs no explanation", () => {
    expect(explainedEndPatch(makeBackend(running), new Date(time(9)))).toBeUndefined();
  });
});

describe("a patch", () => {
  test("of nothing new is none", () => {
    const reached = { Submitted: new Date(time(0)), Constructed: new Date(time(1)) };
    const once = patched(makeBackend(), reachedPatch(makeBackend(), reached, address));
    expect(reachedPatch(once, reached, address)).toBeUndefined();
    expect(reachedPatch(once, { Constructed: new Date(time(5)) })).toBeUndefined();
  });

  test("of Ready carries the flags before it and the condition", () => {
    expect(reachedPatch(makeBackend({ submitted: true }), { Ready: new Date(time(3)) })).toEqual({
      phase: "Ready",
      constructed: true,
      scheduled: true,
      running: true,
      ready: true,
      transitions: { Ready: { time: time(3) } },
      conditions: [
        {
          type: "Ready",
          status: "True",
          reason: "Listening",
          message: "The program listens.",
          lastTransitionTime: time(3),
        },
      ],
    });
  });

  test("of an earlier state than the present gives its time and goes nowhere", () => {
    const ready = makeBackend({ phase: "Ready", ready: true, transitions: { Ready: { time: time(3) } } });
    const patch = reachedPatch(ready, { Running: new Date(time(2)) });
    expect(patch).toMatchObject({ phase: "Ready", transitions: { Running: { time: time(2) } } });
    expect(patch).not.toHaveProperty("conditions");
    expect(stateOf(patched(ready, patch))).toBe("Ready");
  });

  test("of an end says when, why and what, and is not made twice", () => {
    const end = { reason: "Idle", message: "m", at: new Date(time(4)) } as const;
    const patch = endedPatch(makeBackend(), end);
    expect(patch).toEqual({
      submitted: true,
      swept: true,
      phase: "Swept",
      reason: "Idle",
      message: "m",
      transitions: { Submitted: { time: time(0) }, Swept: { time: time(4) } },
      conditions: [{ type: "Ready", status: "False", reason: "Idle", message: "m", lastTransitionTime: time(4) }],
    });
    const ended = patched(makeBackend(), patch);
    expect(hasEnded(ended)).toBe(true);
    expect(endedPatch(ended, { ...end, reason: "Crashed" })).toBeUndefined();
    expect(reachedPatch(ended, { Ready: new Date(time(5)) }, address)).toBeUndefined();
  });

  test("that says that a living backend stayed changes its record, and nothing that is decided by", () => {
    const ready = patched(makeBackend(), reachedPatch(makeBackend(), { Ready: new Date(time(1)) }, address));
    const stayed = patched(ready, stayedPatch(ready, new Date(time(5))));
    expect(stayed.status).toEqual({ ...ready.status, conditions: [expect.objectContaining({ status: "True" })] });
    expect(stayed.status.conditions?.[0]?.lastTransitionTime).toBe(time(1));
    expect(stayed).not.toEqual(ready);
    expect(patched(stayed, stayedPatch(stayed, new Date(time(6))))).not.toEqual(stayed);
    const ended = patched(ready, endedPatch(ready, { reason: "Idle", message: "", at: new Date(time(5)) }));
    expect(stayedPatch(ended, new Date(time(6)))).toBeUndefined();
  });

  test("is merged as RFC 7396 says, for maps in it too, and changes neither side", () => {
    const states = fc.subarray([...backendStates]);
    const transitions = states.map((names) =>
      Object.fromEntries(names.map((name, index) => [name, { time: time(index) }])),
    );
    const statuses = fc.record(
      { submitted: fc.boolean(), ready: fc.boolean(), message: fc.string(), transitions },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(statuses, statuses, (status, patch) => {
        const before = structuredClone({ status, patch });
        const merged = applyStatusPatch(status, patch);
        expect({ status, patch }).toEqual(before);
        expect(merged).toEqual(mergePatch(status, patch));
        expect(applyStatusPatch(merged, patch)).toEqual(merged);
      }),
    );
  });
});

test("the times of living states are written once, whatever comes in which order", () => {
  const reached = fc.record(
    Object.fromEntries(livingStates.map((state) => [state, fc.nat(9).map((second) => new Date(time(second)))])),
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.array(reached, { maxLength: 4 }), (steps) => {
      let backend = makeBackend();
      for (const step of steps) {
        const next = patched(backend, reachedPatch(backend, step));
        expect(rankOf(stateOf(next))).toBeGreaterThanOrEqual(rankOf(stateOf(backend)));
        expect(next.status.transitions ?? {}).toMatchObject(backend.status.transitions ?? {});
        backend = next;
      }
    }),
  );
});

/** RFC 7396, section 2. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isMap(patch)) return patch;
  const result: Record<string, unknown> = { ...(isMap(target) ? target : {}) };
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = mergePatch(result[name], value);
  }
  return result;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

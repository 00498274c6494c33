import { describe, expect, test } from "vitest";
import pods from "./fixtures/pods.json" with { type: "json" };
import { type KubeClient, KubeError } from "./kube-client.ts";
import { mayBeKilled, readNodeKill } from "./node-kill.ts";
import type { Container, Pod } from "./pod-object.ts";
import { keepOfPod } from "./pod-view.ts";

const exited = pods.exited as unknown as Pod;

/** The Pod of a program that ended with code 0, whose container has this as well; as the engine keeps it. */
function podWith(given: Partial<Container>): Pod {
  const [application, ...rest] = exited.spec.containers;
  const containers = [{ ...application, ...given } as Container, ...rest];
  return keepOfPod({ ...exited, spec: { ...exited.spec, containers } });
}

interface Said {
  readonly reason: string;
  readonly message: string;
  readonly container?: string;
}

/** What is read of a Pod of which an API server of Kubernetes 1.36 has these events. */
async function read(pod: Pod, events: readonly Said[] | Error) {
  const asked: unknown[] = [];
  const client = {
    namespace: "sessions",
    async json({ query }: { query?: object }) {
      asked.push(query);
      if (events instanceof Error) throw events;
      const items = events.map(({ reason, message, container = "application" }) => ({
        reason,
        message,
        involvedObject: { fieldPath: `spec.containers{${container}}` },
      }));
      return { items };
    },
  } as unknown as KubeClient;
  return { kill: await readNodeKill(client, pod), asked };
}

const unhealthy = { reason: "Unhealthy", message: "Liveness probe failed: HTTP probe failed with statuscode: 500" };
const killing = (message: string, container?: string) => ({
  reason: "Killing",
  message,
  ...(container === undefined ? {} : { container }),
});
const probe = { livenessProbe: { httpGet: { port: 80 } } };

describe("a program that its node has ended, and that left with code 0, is told why", () => {
  test.each([
    [
      "its livenessProbe",
      probe,
      [unhealthy, unhealthy, killing("Stopping container application")],
      "The program was ended by its node, since its livenessProbe failed: Liveness probe failed: HTTP probe failed with statuscode: 500.",
    ],
    [
      "its startupProbe, which said nothing itself",
      { startupProbe: { exec: {} } },
      [{ reason: "Unhealthy", message: "Startup probe failed: " }, killing("Stopping container application")],
      "The program was ended by its node, since its startupProbe failed: Startup probe failed.",
    ],
    [
      "its postStart hook",
      { lifecycle: { postStart: {} } },
      [{ reason: "FailedPostStartHook", message: "PostStartHook failed" }, killing("FailedPostStartHook")],
      "The program was ended by its node, since its postStart hook failed: PostStartHook failed.",
    ],
  ])("%s", async (_, given, events, message) => {
    const { kill, asked } = await read(podWith(given), events);
    expect(kill).toBe(message);
    expect(asked).toEqual([{ fieldSelector: `involvedObject.uid=${exited.metadata.uid}`, limit: 100 }]);
  });
});

describe("a program went by itself", () => {
  test.each([
    ["while its probe failed, but not for long enough", probe, [unhealthy]],
    ["with nothing said of it", probe, []],
    ["where another container was ended", probe, [{ ...unhealthy, container: "other" }, killing("Stopping", "other")]],
    [
      "where a probe that ends nothing failed",
      probe,
      [{ reason: "Unhealthy", message: "Readiness probe failed: " }, killing("Stopping container application")],
    ],
  ])("%s", async (_, given, events) => {
    expect((await read(podWith(given), events)).kill).toBeUndefined();
  });
});

test("a node ends programs by what their container has, and by nothing else", () => {
  for (const given of [{}, { lifecycle: { preStop: {} } }]) expect(mayBeKilled(podWith(given))).toBe(false);
  for (const given of [probe, { startupProbe: {} }, { lifecycle: { postStart: {} } }]) {
    expect(mayBeKilled(podWith(given))).toBe(true);
  }
});

test("events that may not be read say nothing; such as cannot be read now are read again", async () => {
  const refused = (status: number, reason: string) => new KubeError({ status, reason, message: "no" });
  expect((await read(podWith(probe), refused(403, "Forbidden"))).kill).toBeUndefined();
  const busy = refused(429, "TooManyRequests");
  await expect(read(podWith(probe), busy)).rejects.toBe(busy);
});

import { describe, expect, test } from "vitest";
import { literalValue } from "../../core/environment.ts";
import type { Backend, BackendSpec } from "../../core/resource.ts";
import { controlTokenSha256Of } from "./control-token.ts";
import { buildPod } from "./pod.ts";
import type { PodOptions } from "./pod-options.ts";
import { podInvalidity } from "./pod-template.ts";

const metadata = { name: "b", uid: "u", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z", labels: {} };

/** A backend with this template, as the store may hold it: unknown fields and nulls of 0.1.9's included. */
function makeBackend(
  template: object,
  rest: Partial<BackendSpec> = {},
  about: Partial<Backend["metadata"]> = {},
): Backend {
  const spec = { ...rest, template: { containers: [{ image: "i" }], ...template } };
  return { metadata: { ...metadata, ...about }, spec, status: {} };
}

const options = { sidecarImage: "spawner:1", namespace: "sessions", controlKey: "key" };
const build = (backend: Backend, more: Partial<PodOptions> = {}) => buildPod(backend, { ...options, ...more });
const buildFrom = (template: object, rest: Partial<BackendSpec> = {}) => build(makeBackend(template, rest));
const applicationOf = (container: object, rest: Partial<BackendSpec> = {}) =>
  buildFrom({ containers: [{ image: "i", ...container }] }, rest).spec.containers[0];
const sidecarOf = (rest: Partial<BackendSpec> = {}, more: Partial<PodOptions> = {}) =>
  build(makeBackend({}, rest), more).spec.initContainers?.[0];

describe("the Pod of a backend", () => {
  test("is whole from the least there can be of a template", () => {
    expect(build(makeBackend({}))).toEqual({
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: "b",
        namespace: "sessions",
        labels: {
          "app.kubernetes.io/managed-by": "spawner",
          "spawner.dev/backend": "b",
          "spawner.dev/backend-uid": "u",
        },
        annotations: {
          "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
          "karpenter.sh/do-not-disrupt": "true",
          "spawner.dev/fencing-token": "1",
        },
        ownerReferences: [
          {
            apiVersion: "spawner.dev/v1",
            kind: "SessionLivedBackend",
            name: "b",
            uid: "u",
            controller: true,
            blockOwnerDeletion: false,
          },
        ],
      },
      spec: {
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        restartPolicy: "Never",
        terminationGracePeriodSeconds: 30,
        securityContext: { seccompProfile: { type: "RuntimeDefault" } },
        tolerations: [
          { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute" },
          { key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute" },
        ],
        containers: [
          {
            name: "application",
            image: "i",
            env: [
              { name: "PORT", value: "8080" },
              { name: "SPAWNER_BACKEND", value: "b/u" },
              { name: "SPAWNER_FENCING_TOKEN", value: "1" },
              { name: "SPAWNER_CONTROL_URL", value: "http://127.0.0.1:9091" },
              { name: "SPAWNER_CONTROL_TOKEN", valueFrom: { fieldRef: { fieldPath: "metadata.uid" } } },
            ],
            resources: { requests: { cpu: "50m", memory: "64Mi" } },
            securityContext: { allowPrivilegeEscalation: false },
            terminationMessagePolicy: "FallbackToLogsOnError",
          },
        ],
        initContainers: [
          {
            name: "spawner-sidecar",
            image: "spawner:1",
            imagePullPolicy: "IfNotPresent",
            restartPolicy: "Always",
            command: [
              "sh",
              "-c",
              expect.any(String),
              "node",
              "--max-semi-space-size=2",
              "--v8-pool-size=1",
              "/app/dist/sidecar.cjs",
            ],
            args: [
              "--serve-port=9090",
              "--control-port=9091",
              "--upstream-port=8080",
              "--grace-period=300",
              "--first-client=30",
              "--identity=b/u",
              `--control-token-sha256=${controlTokenSha256Of("key", "u")}`,
            ],
            env: [{ name: "SPAWNER_PROGRAM_TOKEN", valueFrom: { fieldRef: { fieldPath: "metadata.uid" } } }],
            ports: [
              { name: "spawner-serve", containerPort: 9090 },
              { name: "spawner-control", containerPort: 9091 },
            ],
            resources: { requests: { cpu: "10m", memory: "48Mi" }, limits: { memory: "256Mi" } },
            securityContext: {
              runAsNonRoot: true,
              runAsUser: 65532,
              runAsGroup: 65532,
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              capabilities: { drop: ["ALL"] },
              seccompProfile: { type: "RuntimeDefault" },
            },
            terminationMessagePolicy: "FallbackToLogsOnError",
          },
        ],
      },
    });
  });

  test("has all else of its template, known to us or not", () => {
    const template = {
      volumes: [{ name: "v", emptyDir: {} }],
      nodeSelector: { disk: "fast" },
      affinity: { nodeAffinity: {} },
      runtimeClassName: "gvisor",
      serviceAccountName: "sessions",
      topologySpreadConstraints: [{ maxSkew: 1 }],
      someFieldOfLater: { a: [1] },
    };
    expect(buildFrom(template).spec).toMatchObject(template);
  });

  test("takes what is null for left out, as 0.1.9 wrote it", () => {
    const template = {
      volumes: null,
      imagePullSecrets: null,
      containers: [{ name: null, image: "i", command: null, env: null }],
    };
    const { spec } = buildFrom(template, { httpPort: null });
    expect(JSON.stringify(spec)).not.toMatch(/[:[,]null\b/);
    expect(spec.containers[0]).toMatchObject({ name: "application" });
    expect(spec.containers[0]?.env?.map(({ name }) => name)).toEqual(["PORT", ...ownNames]);
  });

  test("has the user's labels beside ours, and none in the place of ours", () => {
    const labels = {
      team: "red",
      run: "another",
      "spawner.dev/backend-uid": "another",
      "spawner.dev/role": "gateway",
      "app.kubernetes.io/managed-by": "helm",
    };
    const backend = makeBackend({}, {}, { labels });
    expect(build(backend).metadata.labels).toEqual({
      team: "red",
      "app.kubernetes.io/managed-by": "spawner",
      "spawner.dev/backend": "b",
      "spawner.dev/backend-uid": "u",
    });
    expect(build(backend, { compat: true }).metadata.labels).toMatchObject({ team: "red", run: "b" });
  });

  test("has the operator's pull secret after the user's", () => {
    const backend = makeBackend({ imagePullSecrets: [{ name: "mine" }] });
    expect(build(backend, { imagePullSecret: "ours" }).spec.imagePullSecrets).toEqual([
      { name: "mine" },
      { name: "ours" },
    ]);
    expect(build(makeBackend({})).spec).not.toHaveProperty("imagePullSecrets");
  });

  test.each([
    ["restartPolicy", { restartPolicy: "Always" }, { restartPolicy: "Never" }],
    ["enableServiceLinks", { enableServiceLinks: true }, { enableServiceLinks: false }],
    ["terminationGracePeriodSeconds", { terminationGracePeriodSeconds: 9 }, { terminationGracePeriodSeconds: 30 }],
  ])("does not take %s from its template", (_, template, expected) => {
    expect(buildFrom(template).spec).toMatchObject(expected);
  });

  test("has the termination grace of its spec", () => {
    expect(buildFrom({}, { terminationGracePeriodSeconds: 7 }).spec.terminationGracePeriodSeconds).toBe(7);
  });

  test("is only by default without a service account's token", () => {
    expect(buildFrom({ automountServiceAccountToken: true }).spec).toMatchObject({
      automountServiceAccountToken: true,
    });
  });

  test("adds to the user's tolerations", () => {
    const mine = { key: "gpu", operator: "Exists" };
    expect(buildFrom({ tolerations: [mine] }).spec.tolerations).toEqual([
      mine,
      expect.objectContaining({ key: "node.kubernetes.io/not-ready" }),
      expect.objectContaining({ key: "node.kubernetes.io/unreachable" }),
    ]);
  });
});

/** What Spawner sets beside PORT. */
const ownNames = ["SPAWNER_BACKEND", "SPAWNER_FENCING_TOKEN", "SPAWNER_CONTROL_URL", "SPAWNER_CONTROL_TOKEN"];

describe("the application", () => {
  test("has the user's environment after ours, values from elsewhere included, but none of our names", () => {
    const secret = { secretKeyRef: { name: "s", key: "k" } };
    const env = [
      { name: "URL", value: "http://localhost:$(PORT)/" },
      { name: "PASSWORD", valueFrom: secret },
      { name: "PORT", value: "1" },
      { name: "SPAWNER_BACKEND", value: "another" },
      { name: "SPAWNER_CONTROL_TOKEN", value: "another" },
    ];
    expect(applicationOf({ env }, { httpPort: 3000 })?.env).toEqual([
      { name: "PORT", value: "3000" },
      { name: "SPAWNER_BACKEND", value: "b/u" },
      { name: "SPAWNER_FENCING_TOKEN", value: "1" },
      { name: "SPAWNER_CONTROL_URL", value: "http://127.0.0.1:9091" },
      { name: "SPAWNER_CONTROL_TOKEN", valueFrom: { fieldRef: { fieldPath: "metadata.uid" } } },
      { name: "URL", value: "http://localhost:$(PORT)/" },
      { name: "PASSWORD", valueFrom: secret },
    ]);
  });

  test("has a value that refers to nothing as it was stored, for Kubernetes to read", () => {
    const env = [{ name: "TITLE", value: literalValue("$(PASSWORD)") }];
    expect(applicationOf({ env })?.env?.at(-1)).toEqual({ name: "TITLE", value: "$$(PASSWORD)" });
  });

  test("that listens where it likes is told no port, and may have one in its environment", () => {
    const env = [{ name: "PORT", value: "1234" }];
    const given = applicationOf({ env }, { httpPort: 0 })?.env;
    expect(given?.map(({ name }) => name)).toEqual([...ownNames, "PORT"]);
    expect(given?.at(-1)).toEqual(env[0]);
  });

  test.each([9090, 9091])("that listens on %i itself finds the sidecar where that has moved to", (httpPort) => {
    const url = { name: "SPAWNER_CONTROL_URL", value: "http://127.0.0.1:9191" };
    expect(applicationOf({}, { httpPort })?.env).toContainEqual(url);
  });

  test("of a key is told it as it is: nothing in it is taken for another variable", () => {
    const key = "$(PORT) $$ $";
    expect(applicationOf({}, { key })?.env).toContainEqual({ name: "SPAWNER_KEY", value: "$$(PORT) $$$$ $$" });
  });

  test.each([
    [undefined, { requests: { cpu: "50m", memory: "64Mi" } }],
    [{ requests: { cpu: "2" } }, { requests: { cpu: "2", memory: "64Mi" } }],
    // The API server requests what is limited, where nothing else is requested.
    [{ limits: { memory: "32Mi" } }, { limits: { memory: "32Mi" }, requests: { cpu: "50m" } }],
    [
      { limits: { cpu: "1", memory: "1Gi" }, requests: { cpu: "1m", memory: "1Mi" } },
      { limits: { cpu: "1", memory: "1Gi" }, requests: { cpu: "1m", memory: "1Mi" } },
    ],
  ])("that asks for the resources %j has %j", (resources, expected) => {
    expect(applicationOf(resources === undefined ? {} : { resources })?.resources).toEqual(expected);
  });

  test.each([
    [{ runAsUser: 1 }, { runAsUser: 1, allowPrivilegeEscalation: false }],
    [{ allowPrivilegeEscalation: true }, { allowPrivilegeEscalation: true }],
    // The API server refuses the combination.
    [{ privileged: true }, { privileged: true }],
    [{ capabilities: { add: ["SYS_ADMIN"] } }, { capabilities: { add: ["SYS_ADMIN"] } }],
    [
      { capabilities: { add: ["NET_ADMIN"] } },
      { capabilities: { add: ["NET_ADMIN"] }, allowPrivilegeEscalation: false },
    ],
  ])("with the security context %j has %j", (securityContext, expected) => {
    expect(applicationOf({ securityContext })?.securityContext).toEqual(expected);
  });

  test("is the first container whatever its name; those beside it get neither port nor identity", () => {
    const containers = [
      { name: "web", image: "i" },
      { name: "log-shipper", image: "l", env: [{ name: "PORT", value: "1" }] },
    ];
    const [first, second] = buildFrom({ containers }).spec.containers;
    expect(first?.name).toBe("web");
    expect(first?.env?.map(({ name }) => name)).toEqual(["PORT", ...ownNames]);
    expect(second).toMatchObject({ name: "log-shipper", env: [{ name: "PORT", value: "1" }] });
    expect(second).not.toHaveProperty("resources");
  });
});

describe("the sidecar", () => {
  test("is there before the user's own init containers", () => {
    const { initContainers = [] } = buildFrom({ initContainers: [{ name: "migrate", image: "m" }] }).spec;
    expect(initContainers.map(({ name }) => name)).toEqual(["spawner-sidecar", "migrate"]);
  });

  test("is told what the spec says of idleness", () => {
    expect(sidecarOf({ gracePeriodSeconds: 5, firstClientSeconds: 6, silentConnectionSeconds: 7 })?.args).toEqual(
      expect.arrayContaining(["--grace-period=5", "--first-client=6", "--silent-connection=7"]),
    );
  });

  test.each([
    [3000, 9090, 9091],
    [9090, 9190, 9191],
    [9091, 9190, 9191],
  ])("beside a program on port %i serves on %i and is controlled on %i", (httpPort, servePort, controlPort) => {
    const sidecar = sidecarOf({ httpPort });
    expect(sidecar?.args).toEqual(
      expect.arrayContaining([
        `--serve-port=${servePort}`,
        `--control-port=${controlPort}`,
        `--upstream-port=${httpPort}`,
      ]),
    );
    expect(sidecar?.ports?.map(({ containerPort }) => containerPort)).toEqual([servePort, controlPort]);
  });

  test("serves the sweepers of 0.1.9 where it is asked to", () => {
    expect(sidecarOf({}, { compat: true })?.args).toContain("--events-on-serve-port");
  });

  test("is given nothing by which its control port could be used", () => {
    expect(JSON.stringify(sidecarOf())).not.toContain('"key"');
  });
});

describe("a backend that cannot be a Pod", () => {
  const two = (second: object) => ({ containers: [{ name: "a", image: "i" }, second] });
  test.each([
    ["no image", { containers: [{ name: "a" }] }, "template.containers[0].image is missing"],
    ["a second container without a name", two({ image: "i" }), "template.containers[1].name is missing"],
    ["two of a name", two({ name: "a", image: "i" }), 'template.containers[1].name "a" is there twice'],
    [
      "a container of the name that the first has by default",
      { containers: [{ image: "i" }, { name: "application", image: "i" }] },
      'template.containers[1].name "application" is there twice',
    ],
    [
      "an init container of the same name",
      { containers: [{ name: "a", image: "i" }], initContainers: [{ name: "a", image: "i" }] },
      'template.initContainers[0].name "a" is there twice',
    ],
    [
      "the sidecar's name",
      two({ name: "spawner-sidecar", image: "i" }),
      "template.containers[1].name must not be spawner-sidecar, which is Spawner's own",
    ],
    [
      "the sidecar's port",
      { containers: [{ image: "i", ports: [{ containerPort: 9091 }] }] },
      "template.containers[0].ports must not have 9091, which is the sidecar's",
    ],
    [
      "the network of its node",
      { hostNetwork: true },
      "template.hostNetwork must not be set: all sidecars of a node would want the same ports",
    ],
    [
      "a program that is to be restarted",
      { containers: [{ image: "i", restartPolicy: "Always" }] },
      "template.containers[0].restartPolicy must not be given: a backend's program is started once",
    ],
  ])("for it has %s", (_, template, problem) => {
    expect(podInvalidity(makeBackend(template))).toBe(`The backend cannot be run as a Pod: ${problem}.`);
  });

  test.each(["a.b", "A", "-a", "a".repeat(64)])("for its name is %s", (name) => {
    expect(podInvalidity(makeBackend({}, {}, { name }))).toContain(`its name must have lower-case letters`);
  });

  test("is another one than that with 63 characters in its name, or the moved ports in its template", () => {
    expect(podInvalidity(makeBackend({}, {}, { name: "a".repeat(63) }))).toBeUndefined();
    const ports = [{ containerPort: 9090 }];
    expect(podInvalidity(makeBackend({ containers: [{ image: "i", ports }] }, { httpPort: 9090 }))).toBeUndefined();
  });

  test("is told all that is wrong with it", () => {
    const said = podInvalidity(makeBackend({ hostNetwork: true, containers: [{}] }));
    expect(said).toMatch(/hostNetwork.*; template\.containers\[0\]\.image is missing\.$/);
  });
});

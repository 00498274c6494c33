import { relayPortsOf } from "../../core/relay-ports.ts";
import { type Backend, completeSpec } from "../../core/resource.ts";
import { identityOf } from "../../core/workload.ts";
import { controlTokenSha256Of } from "./control-token.ts";
import { programToken } from "./pod-environment.ts";
import { sidecarName } from "./pod-names.ts";
import type { Container } from "./pod-object.ts";
import type { PodOptions } from "./pod-options.ts";
import { sidecarResources } from "./pod-resources.ts";
import { sidecarSecurity } from "./pod-security.ts";

/** Where the image has the sidecar as one file (Dockerfile). */
const sidecarFile = "/app/dist/sidecar.cjs";

/**
 * What saves memory and costs no time: little room for new objects (in MB), of which garbage takes 6 kB for each open connection
 * else; and one thread for compiling and collecting in place of four.
 */
export const sidecarNodeFlags: readonly string[] = ["--max-semi-space-size=2", "--v8-pool-size=1"];

/**
 * The first process of a container gets no signal that it has not asked for: one that comes while Node is still starting would be
 * lost, and a Pod whose program ends at once would stay for all of its grace. A shell asks for it first, and passes it on, once: a
 * node asks again when the grace is shortened, and the last answers are to leave all the same. It ends with Node's own code.
 */
const passSignal = `trap 'trap "" TERM; kill "$p" 2>/dev/null || exit 0' TERM; "$0" "$@" & p=$!; wait "$p" || wait "$p"`;

/**
 * The relay host of a Pod, as a native sidecar: an init container that goes on. It is there before the application starts and
 * until it has ended, restarts by itself, and does not keep the Pod alive. It has no probe: one would only delay the application.
 * https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
 */
export function sidecarContainer(
  backend: Backend,
  { sidecarImage, compat = false, controlKey }: PodOptions & { controlKey: string },
): Container {
  const { httpPort, gracePeriodSeconds, firstClientSeconds, silentConnectionSeconds } = completeSpec(backend.spec);
  const { servePort, controlPort } = relayPortsOf(backend.spec);
  return {
    name: sidecarName,
    image: sidecarImage,
    imagePullPolicy: "IfNotPresent",
    restartPolicy: "Always",
    command: ["sh", "-c", passSignal, "node", ...sidecarNodeFlags, sidecarFile],
    args: [
      `--serve-port=${servePort}`,
      `--control-port=${controlPort}`,
      `--upstream-port=${httpPort}`,
      `--grace-period=${gracePeriodSeconds}`,
      `--first-client=${firstClientSeconds}`,
      ...(silentConnectionSeconds === 0 ? [] : [`--silent-connection=${silentConnectionSeconds}`]),
      `--identity=${identityOf(backend)}`,
      `--control-token-sha256=${controlTokenSha256Of(controlKey, backend.metadata.uid)}`,
      ...(compat ? ["--events-on-serve-port"] : []),
    ],
    env: [{ name: "SPAWNER_PROGRAM_TOKEN", valueFrom: programToken }],
    ports: [
      { name: "spawner-serve", containerPort: servePort },
      { name: "spawner-control", containerPort: controlPort },
    ],
    resources: sidecarResources,
    securityContext: sidecarSecurity,
    terminationMessagePolicy: "FallbackToLogsOnError",
  };
}

import { sessionSpec } from "../cluster/session.ts";

/** The spec that 0.1.9's API and command line write: what is not given is null. */
export function legacySpec({ gracePeriodSeconds = 300 } = {}) {
  const { template } = sessionSpec("echoes");
  const [container] = template.containers;
  const containers = [{ ...container, name: "application", env: [{ name: "GREETING", value: "hi" }] }];
  return {
    template: { containers, imagePullSecrets: null, volumes: null },
    gracePeriodSeconds,
    httpPort: null,
    terminationGracePeriodSeconds: 2, // not of 0.1.9, whose sidecar ignores SIGTERM: tests have no half minute
  };
}

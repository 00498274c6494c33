import { defaultServicePrefix } from "../core/names.ts";
import { apiVersion, type BackendSpec, kind } from "../core/resource.ts";
import { problemsOfSpec } from "../core/validation.ts";
import type { SlabFlags } from "./slab-flags.ts";

/** A SessionLivedBackend as Kubernetes takes it, without a namespace: whoever creates it names one. */
export interface SlabManifest {
  apiVersion: typeof apiVersion;
  kind: typeof kind;
  metadata: { name: string } | { generateName: string };
  spec: BackendSpec;
}

/** What 0.1.9 made of these flags. Throws what is wrong with them. */
export function makeSlabManifest(flags: SlabFlags): SlabManifest {
  const spec = makeSpec(flags);
  const problems = problemsOfSpec(spec);
  if (problems.length > 0) throw new Error(`The flags make no backend that can run: ${problems.join("; ")}.`);
  const { name, prefix = defaultServicePrefix } = flags;
  return { apiVersion, kind, metadata: name === undefined ? { generateName: prefix } : { name }, spec };
}

function makeSpec({ image, port, gracePeriodSeconds, imagePullPolicy, imagePullSecret }: SlabFlags): BackendSpec {
  return {
    template: {
      containers: [
        { env: [], image, ...(imagePullPolicy === undefined ? {} : { imagePullPolicy }), name: "application" },
      ],
      ...(imagePullSecret === undefined ? {} : { imagePullSecrets: [{ name: imagePullSecret }] }),
    },
    gracePeriodSeconds,
    ...(port === undefined ? {} : { httpPort: port }),
  };
}

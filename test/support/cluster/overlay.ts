import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAllDocuments, stringify } from "yaml";
import { kubectl } from "./kubectl.ts";

export interface Overlay {
  /** A folder below deploy/. */
  readonly of: string;
  /** Put in place of the one that the overlay has. Default: that one. */
  readonly namespace?: string;
  /** Kustomize's own: strategic merge patches, or JSON patches with a target. */
  readonly patches?: readonly { readonly patch: string; readonly target?: object }[];
  /** Folders below deploy/components. */
  readonly components?: readonly string[];
}

/** An object of Kubernetes, as far as tests of manifests read it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Record<string, string> };
  readonly [field: string]: unknown;
}

const deploy = fileURLToPath(new URL("../../../deploy", import.meta.url));
/** As base, the overlays for one's own machine, and the example name it. */
const imagesInOverlays = ["spawner", "localhost/spawner", "registry.example.com/spawner"];

/** The image to be tested, which the nodes of the cluster have. */
export const testImage = process.env.SPAWNER_TEST_IMAGE ?? "localhost/spawner:test";

/** What kubectl makes of a kustomization on top of an overlay, as YAML. */
export async function renderOverlay(overlay: Overlay): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "spawner-overlay-"));
  try {
    const { of, namespace, patches, components = [] } = overlay;
    const [, newName, newTag] = /^(.+):([^:/]+)$/.exec(testImage) ?? [];
    const kustomization = {
      resources: [relative(folder, join(deploy, of))],
      images: imagesInOverlays.map((name) => ({ name, newName, newTag })),
      components: components.map((name) => relative(folder, join(deploy, "components", name))),
      ...(namespace === undefined ? {} : { namespace }),
      ...(patches === undefined ? {} : { patches }),
    };
    writeFileSync(join(folder, "kustomization.yaml"), stringify(kustomization));
    return await kubectl(["kustomize", folder]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function manifestsOf(overlay: Overlay): Promise<Manifest[]> {
  return parseAllDocuments(await renderOverlay(overlay)).map((document) => document.toJS() as Manifest);
}

import { readFileSync } from "node:fs";
import type { BackendSpec } from "../../../packages/server/src/core/resource.ts";
import { testImage } from "./overlay.ts";

const source = readFileSync(
  new URL("../../../packages/server/src/engine/process/fixtures/program.mjs", import.meta.url),
  "utf8",
);

/** So that the node of a test, which may be small, has room for the Pods of all tests that run beside each other. */
const littleReserved = { requests: { cpu: "1m", memory: "16Mi" } };

/** An application as a template has it: the first container of it, or all that is beside it. */
export interface Program {
  readonly container?: object;
  readonly template?: object;
}

/** The program of the engines' tests in a Pod of the test image, which has all that it needs: Node. */
export function podSpec(behaviour: string, { container, template }: Program = {}): BackendSpec {
  return runInPod(["node", "--input-type=module", "--eval", source, "program", behaviour], {
    ...(container === undefined ? {} : { container }),
    ...(template === undefined ? {} : { template }),
  });
}

/** Any other command in a Pod of the test image. */
export function runInPod(command: readonly string[], { container, template }: Program = {}): BackendSpec {
  const image = { image: testImage, imagePullPolicy: "IfNotPresent" };
  const application = { ...image, command: [...command], resources: littleReserved, ...container };
  return { template: { ...template, containers: [application] } };
}

import { isSpawnerError, SpawnerError } from "../../core/errors.ts";
import type { KubeClient } from "./kube-client.ts";

interface Pod {
  readonly spec?: { readonly containers?: readonly { readonly image?: string }[] };
}

/**
 * The image that this process runs from: that of the first container of its Pod, whose name is the host's name. Rejects with
 * `invalid_request` where that is no Pod of ours, and with `unavailable` where nobody can be asked.
 */
export async function ownImage(client: KubeClient, hostName: string): Promise<string> {
  try {
    const path = `/api/v1/namespaces/${client.namespace}/pods/${hostName}`;
    const pod = await client.json<Pod>({ method: "GET", path });
    const image = pod.spec?.containers?.[0]?.image;
    if (image !== undefined) return image;
    throw new Error("the Pod has no container with an image");
  } catch (cause) {
    if (isSpawnerError(cause, "unavailable")) throw cause;
    throw new SpawnerError(
      "invalid_request",
      `Which image is the sidecar's? Give it by --sidecar: this is not a Pod that could be asked (${hostName} in ${client.namespace}).`,
      { cause },
    );
  }
}

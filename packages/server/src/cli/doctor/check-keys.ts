import { controlKeyOf, isKubeError, type KubeClient, keysSecretName } from "../../engine/kubernetes/index.ts";
import { type Finding, unknown } from "./finding.ts";

const subject = "keys";

/** Whether the Secret that the roles share is there, and holds what they need. Says nothing of what is in it. */
export async function checkKeys(client: KubeClient): Promise<Finding> {
  const path = `/api/v1/namespaces/${client.namespace}/secrets/${keysSecretName}`;
  try {
    const secret = await client.json<Parameters<typeof controlKeyOf>[0]>({ method: "GET", path });
    if (controlKeyOf(secret) !== undefined)
      return { level: "ok", subject, message: `Secret ${keysSecretName} is whole` };
    return {
      level: "wrong",
      subject,
      message: `Secret ${keysSecretName} holds no control key of at least 32 characters`,
      advice: `delete it, and the controller makes a new one: sessions that run can then not be swept, and have to be ended by hand`,
    };
  } catch (error) {
    if (!isKubeError(error, "NotFound")) return unknown(subject, error);
    const message = `there is no Secret ${keysSecretName}`;
    return { level: "wrong", subject, message, advice: "the controller makes it: see that one runs" };
  }
}

import { controlKeyOf, type KubeClient, keysSecretName, signingKeysOf } from "../../engine/kubernetes/index.ts";
import { type Finding, unknown } from "./finding.ts";

const subject = "keys";
type Secret = Parameters<typeof controlKeyOf>[0];

/** Whether the Secret that the roles share is there, and holds what they need. Says nothing of what is in it. */
export async function checkKeys(client: KubeClient): Promise<Finding> {
  try {
    // Listed and not got, as the roles do, which may do no more.
    const { items } = await client.json<{ items: readonly Secret[] }>({
      method: "GET",
      path: `/api/v1/namespaces/${client.namespace}/secrets`,
      query: { fieldSelector: `metadata.name=${keysSecretName}` },
    });
    return judge(items[0]);
  } catch (error) {
    return unknown(subject, error);
  }
}

function judge(secret: Secret | undefined): Finding {
  if (secret === undefined) {
    const message = `there is no Secret ${keysSecretName}`;
    return { level: "wrong", subject, message, advice: "the controller makes it: see that one runs" };
  }
  if (controlKeyOf(secret) !== undefined) return judgeSigningKeys(secret);
  return {
    level: "wrong",
    subject,
    message: `Secret ${keysSecretName} holds no control key of at least 32 characters`,
    advice:
      "put back the one that was there; or delete it, and the controller makes a new one: what runs then is not swept, and has to be ended by hand",
  };
}

function judgeSigningKeys(secret: Secret): Finding {
  if (signingKeysOf(secret) !== undefined)
    return { level: "ok", subject, message: `Secret ${keysSecretName} is whole` };
  return {
    level: "wrong",
    subject,
    message: `Secret ${keysSecretName} holds no signing keys: nobody can be connected`,
    advice: "take its field signing-keys out, and the controller makes one; or write ID:SECRET, one a line",
  };
}

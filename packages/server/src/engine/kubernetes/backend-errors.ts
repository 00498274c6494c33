import { SpawnerError } from "../../core/errors.ts";
import { isKubeError, type KubeError } from "./kube-client.ts";

/** What the API server has against a call, in the words of our own errors. What is none of its answers is passed on. */
export function backendError(error: unknown, what: string): unknown {
  if (!isKubeError(error)) return error;
  const { code, hint } = meaningOf(error);
  return new SpawnerError(code, `${what} failed: ${error.message}${hint === undefined ? "" : `. ${hint}`}`, {
    cause: error,
  });
}

type Meaning = { readonly code: ConstructorParameters<typeof SpawnerError>[0]; readonly hint?: string };

function meaningOf(error: KubeError): Meaning {
  switch (error.reason) {
    case "AlreadyExists":
      return { code: "already_exists" };
    case "Conflict":
      return { code: "conflict" };
    case "Invalid":
    case "BadRequest":
    case "Expired":
    case "RequestEntityTooLarge":
      return { code: "invalid_request" };
    case "Forbidden":
      return forbidden(error);
    case "Unauthorized":
      return { code: "unavailable", hint: "The credentials of this process are not taken: see `spawner doctor`" };
    default:
      // A resource is asked for by its name elsewhere: here the collection is not there.
      return error.status === 404
        ? { code: "unavailable", hint: "Is the namespace there, and the CRD (spawner print-crd | kubectl apply -f -)?" }
        : { code: "unavailable" };
  }
}

/** https://kubernetes.io/docs/concepts/policy/resource-quotas/ and admission say no in the same way as RBAC. */
function forbidden({ message }: KubeError): Meaning {
  if (message.includes("exceeded quota")) return { code: "too_many_backends" };
  if (/is being terminated/.test(message)) return { code: "unavailable" };
  if (/cannot \w+ resource/.test(message)) {
    return { code: "unavailable", hint: "This process's account may not: see `spawner doctor`" };
  }
  return { code: "invalid_request" };
}

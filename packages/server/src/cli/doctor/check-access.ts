import { isKubeError, type KubeClient } from "../../engine/kubernetes/index.ts";
import { type ClusterRole, clusterRoles, type RoleRule, roleRules } from "../role-rules.ts";
import { type Finding, unknown } from "./finding.ts";
import { installAdvice } from "./install-advice.ts";

const group = "authorization.k8s.io/v1";

interface Review {
  readonly status?: { readonly allowed?: boolean };
}

/** One question to the API server: may this account do that? */
interface Question {
  readonly rule: RoleRule;
  readonly verb: string;
}

/** Whether each role's service account may do what the role does. */
export function checkAccess(client: KubeClient): Promise<Finding[]> {
  return Promise.all(clusterRoles.map((role) => checkRole(client, role)));
}

async function checkRole(client: KubeClient, role: ClusterRole): Promise<Finding> {
  const subject = `rights of ${role}`;
  const account = `spawner-${role}`;
  const questions = roleRules[role].flatMap((rule) => rule.verbs.map((verb) => ({ rule, verb })));
  try {
    const answers = await Promise.all(questions.map((question) => mayDo(client, account, question)));
    const missing = questions.filter((_, index) => answers[index] === false);
    if (missing.length === 0) return { level: "ok", subject, message: `service account ${account} has them all` };
    const what = missing.length === questions.length ? "has none of them" : `may not ${describe(missing)}`;
    return {
      level: "wrong",
      subject,
      message: `service account ${account} ${what}`,
      advice: `apply the Role and RoleBinding of this release: ${installAdvice(client.namespace)}`,
    };
  } catch (error) {
    return unknown(subject, error);
  }
}

/** Asked about somebody else where one may, about oneself where one is that account. */
async function mayDo(client: KubeClient, account: string, question: Question): Promise<boolean> {
  const { namespace } = client;
  try {
    const user = `system:serviceaccount:${namespace}:${account}`;
    const groups = ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"];
    return await ask(client, "SubjectAccessReview", { user, groups }, question);
  } catch (error) {
    if (!isKubeError(error, "Forbidden") || !(await isSelf(client, account))) throw error;
    return ask(client, "SelfSubjectAccessReview", {}, question);
  }
}

async function ask(client: KubeClient, kind: string, who: object, { rule, verb }: Question): Promise<boolean> {
  const [resource, subresource] = rule.resource.split("/");
  const attributes = {
    namespace: client.namespace,
    verb,
    group: rule.group,
    resource,
    ...(subresource === undefined ? {} : { subresource }),
    ...(rule.name === undefined ? {} : { name: rule.name }),
  };
  const { status } = await client.json<Review>({
    method: "POST",
    path: `/apis/${group}/${kind.toLowerCase()}s`,
    body: { apiVersion: group, kind, spec: { ...who, resourceAttributes: attributes } },
  });
  return status?.allowed === true;
}

async function isSelf(client: KubeClient, account: string): Promise<boolean> {
  const { status } = await client.json<{ status: { userInfo: { username: string } } }>({
    method: "POST",
    path: "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    body: { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" },
  });
  return status.userInfo.username === `system:serviceaccount:${client.namespace}:${account}`;
}

/** `get, list pods; create leases`. */
function describe(questions: readonly Question[]): string {
  const verbsOf = Map.groupBy(
    questions,
    ({ rule }) => `${rule.resource}${rule.name === undefined ? "" : ` ${rule.name}`}`,
  );
  return [...verbsOf].map(([what, each]) => `${each.map(({ verb }) => verb).join(", ")} ${what}`).join("; ");
}

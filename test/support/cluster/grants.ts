import type { Role } from "./install.ts";
import type { Manifest } from "./overlay.ts";

/** Something that can be done to objects of the API server, as its rules of access have it. */
export interface Access {
  readonly verb: string;
  /** With its group and its subresource: `leases.coordination.k8s.io`, `pods/log`. */
  readonly resource: string;
  /** The only object that is meant. Undefined: any, or none. */
  readonly name?: string;
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** All that the account of a role may do, each of it by itself. */
export function grantsOf(manifests: readonly Manifest[], role: Role): Access[] {
  const account = `spawner-${role}`;
  const bindings = manifests.filter(({ kind, subjects }) => {
    return kind.endsWith("RoleBinding") && (subjects as { name: string }[]).some(({ name }) => name === account);
  });
  const names = bindings.map(({ roleRef }) => (roleRef as { name: string }).name);
  const roles = manifests.filter(
    ({ kind, metadata }) => /^(Cluster)?Role$/.test(kind) && names.includes(metadata.name),
  );
  return roles.flatMap(({ rules }) => (rules as Rule[]).flatMap(grantsOfRule));
}

function grantsOfRule({ apiGroups, resources, resourceNames, verbs }: Rule): Access[] {
  return apiGroups.flatMap((group) =>
    resources.flatMap((resource) =>
      verbs.flatMap((verb) => {
        const access = accessIn(group, { verb, resource });
        return resourceNames === undefined ? [access] : resourceNames.map((name) => ({ ...access, name }));
      }),
    ),
  );
}

/** What a request asks for. https://kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb */
export function accessOf({ method, url }: { readonly method: string; readonly url: string }): Access {
  const { pathname, searchParams } = new URL(url, "https://server");
  const path = /^\/(?:api\/v1|apis\/([^/]+)\/[^/]+)(?:\/namespaces\/[^/]+)?\/([^/]+)(?:\/([^/]+)(?:\/(.+))?)?$/.exec(
    pathname,
  );
  const [, group = "", resource = pathname, inPath, subresource] = path ?? [];
  const isOfAll = inPath === undefined;
  // A list or a watch of one object only is judged as one of that object.
  const inSelector = /^metadata\.name=([^,]+)$/.exec(searchParams.get("fieldSelector") ?? "")?.[1];
  const name = inPath ?? inSelector;
  return accessIn(group, {
    verb: verbOf({ method, isOfAll, isWatch: searchParams.has("watch") }),
    resource: subresource === undefined ? resource : `${resource}/${subresource}`,
    ...(name === undefined ? {} : { name }),
  });
}

function verbOf({ method, isOfAll, isWatch }: { method: string; isOfAll: boolean; isWatch: boolean }): string {
  switch (method) {
    case "POST":
      return "create";
    case "PUT":
      return "update";
    case "PATCH":
      return "patch";
    case "DELETE":
      return isOfAll ? "deletecollection" : "delete";
    default:
      return isWatch ? "watch" : isOfAll ? "list" : "get";
  }
}

/** The same with the group as part of the resource's name, as kubectl auth can-i has it: `leases.coordination.k8s.io`. */
export function accessIn(group: string, access: Access): Access {
  const [name, ...subresource] = access.resource.split("/");
  return { ...access, resource: [group === "" ? name : `${name}.${group}`, ...subresource].join("/") };
}

/** Whether it is this grant that lets somebody do this. */
export function isUseOf(grant: Access, { verb, resource, name }: Access): boolean {
  return grant.verb === verb && grant.resource === resource && (grant.name === undefined || grant.name === name);
}

export function describeAccess({ verb, resource, name }: Access): string {
  return [verb, resource, ...(name === undefined ? [] : [name])].join(" ");
}

/** Where deploy/base installs. */
const baseNamespace = "spawner";

/** How all of this release comes into the namespace that is looked at: the base is of one of its own. */
export function installAdvice(namespace: string): string {
  if (namespace === baseNamespace) return "kubectl apply -k deploy/base";
  return (
    `apply a kustomization of deploy/base with "namespace: ${namespace}" (docs/deploying.md); alone, the base installs into ` +
    `the namespace ${baseNamespace}, which spawner doctor --namespace ${baseNamespace} looks at`
  );
}

export { Announcer } from "./announcer.ts";
export { controlKeyOf, KeysSecret, keysSecretName } from "./keys-secret.ts";
export { isKubeError, type KubeClient, KubeError, type KubeRequest } from "./kube-client.ts";
export { KubernetesEngine } from "./kubernetes-engine.ts";
export { LeaderElection } from "./leader-election.ts";
export { openKubeClient } from "./open-kube-client.ts";
export { ownImage } from "./own-image.ts";
export type { PodOptions } from "./pod-options.ts";

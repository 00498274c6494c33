export { isKubeError, type KubeClient, KubeError, type KubeRequest } from "./kube-client.ts";
export { openKubeClient } from "./open-kube-client.ts";

/** What of a session's Pod is the operator's choice. */
export interface PodOptions {
  /** Image of the sidecar: the one of all roles. */
  readonly sidecarImage: string;
  /** Secret of the Pod's namespace with which images are pulled, beside those that a template names. */
  readonly imagePullSecret?: string;
  /** How long a node and its session have to be silent, both, until the session is given up. Default: 60. */
  readonly nodeLostSeconds?: number;
  /** As 0.1.9 had it, for its routers and sweepers: a Service, the label `run`, `/_events` on the serve port. Default: false. */
  readonly compat?: boolean;
}

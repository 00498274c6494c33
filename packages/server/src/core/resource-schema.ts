import { failedReasons, sweptReasons } from "@spawner/client";
import { Type } from "typebox";
import { specDefaults } from "./spec-defaults.ts";
import { recordedStates } from "./states.ts";

/*
 * The schemas of the resource `SessionLivedBackend`: one definition for the TypeScript types (resource.ts), the validation and
 * the CRD's schema (crd.ts). Descriptions are what `kubectl explain` shows. Apart from the types, since not every role has to
 * load what builds schemas, which is more than all else of it.
 */

/** Ten years: any longer duration is a mistake of units. */
export const longestSeconds = 315_360_000;

/** One day: a name is not free before its program has ended, and nobody waits for longer. */
export const longestTerminationSeconds = 86_400;

const seconds = (description: string, options: { minimum?: number; maximum?: number; default?: number } = {}) =>
  Type.Optional(Type.Integer({ minimum: 0, maximum: longestSeconds, ...options, description }));

/** Kubernetes takes any printable ASCII but `=` (since 1.34); a process environment takes no more. */
export const envNamePattern = "^[ -<>-~]+$";

/** A process environment ends a value at its first zero byte. */
export const envValuePattern = "^[^\\x00]*$"; // as RE2 has it as well, by which Kubernetes reads the CRD

const envVar = Type.Object(
  {
    name: Type.String({ pattern: envNamePattern, maxLength: 1024, description: "Name: printable ASCII without `=`." }),
    value: Type.Optional(Type.String({ pattern: envValuePattern, description: "Value; empty if left out." })),
  },
  { additionalProperties: true, description: "One environment variable." },
);

const container = Type.Object(
  {
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 63, description: "Name of the container." })),
    image: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 512,
        description: "Container image; on a local engine the name of the template that the command comes from.",
      }),
    ),
    imagePullPolicy: Type.Optional(
      Type.String({ description: "When to pull the image: Always, IfNotPresent or Never." }),
    ),
    command: Type.Optional(Type.Array(Type.String(), { description: "Replaces the image's entry point." })),
    args: Type.Optional(Type.Array(Type.String(), { description: "Arguments of the command." })),
    workingDir: Type.Optional(Type.String({ description: "Folder in which the command is run." })),
    env: Type.Optional(Type.Array(envVar, { maxItems: 1000, description: "Environment variables of the program." })),
  },
  {
    additionalProperties: true,
    description: "A container as in a Pod; fields not described here are passed on and judged by Kubernetes.",
  },
);

export const templateSchema = Type.Object(
  {
    containers: Type.Array(container, {
      minItems: 1,
      maxItems: 16,
      description: "The first one is the application, whatever its name.",
    }),
  },
  {
    additionalProperties: true,
    description:
      "What the backend runs, as in a Pod's spec: containers, initContainers, volumes, imagePullSecrets, " +
      "securityContext, nodeSelector, tolerations, affinity, runtimeClassName, serviceAccountName.",
  },
);

export const specSchema = Type.Object(
  {
    template: templateSchema,
    httpPort: Type.Optional(
      Type.Union([Type.Integer({ minimum: 0, maximum: 65535 }), Type.Null()], {
        default: specDefaults.httpPort,
        description:
          "Port on which the application listens, given to it as PORT. 0: the first port that listens. On a local " +
          "engine each backend is given a free port of its own. Cannot be changed.",
      }),
    ),
    gracePeriodSeconds: seconds("Seconds without any activity after which the backend is swept. Cannot be changed.", {
      default: specDefaults.gracePeriodSeconds,
    }),
    firstClientSeconds: seconds(
      "Until the first request, idleness needs at least this many seconds. Cannot be changed.",
      {
        default: specDefaults.firstClientSeconds,
      },
    ),
    silentConnectionSeconds: seconds(
      "Seconds without data after which an open WebSocket, or another upgraded connection, is no client any more; pings are no " +
        "data. 0: it is one until it closes. Cannot be changed.",
      { default: specDefaults.silentConnectionSeconds },
    ),
    lifetimeSeconds: seconds("Seconds after its creation at which the backend is ended even when in use.", {
      minimum: 1,
    }),
    startupTimeoutSeconds: seconds("Seconds, from when its Pod was made, in which the application must listen.", {
      minimum: 1,
      default: specDefaults.startupTimeoutSeconds,
    }),
    terminationGracePeriodSeconds: seconds(
      "Seconds between asking the program to end and killing it. Can only be lowered.",
      {
        maximum: longestTerminationSeconds,
        default: specDefaults.terminationGracePeriodSeconds,
      },
    ),
    key: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 512,
        description:
          "What the caller names this session by. At most one backend of a key lives; its name comes from the key.",
      }),
    ),
    user: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 256,
        description: "Whom the backend is counted for, where users have limits.",
      }),
    ),
    requireToken: Type.Optional(
      Type.Boolean({ description: "Whether gateways let in only who brings a connection token of this backend." }),
    ),
    failuresBefore: Type.Optional(
      Type.Integer({
        minimum: 0,
        description: "How many backends of this key before it failed in a row, never ready.",
      }),
    ),
    stopWhenIdle: Type.Optional(
      Type.Boolean({ description: "Set to true to end the backend, as Superseded, as soon as nobody is connected." }),
    ),
    stopReason: Type.Optional(
      Type.Enum(["Requested", "Superseded"], { description: "What to call the end that stopRequested asks for." }),
    ),
    stopRequested: Type.Optional(
      Type.Boolean({ description: "Set to true to end the backend; its record is retained for a while." }),
    ),
    stopRequestedAt: Type.Optional(
      Type.String({
        format: "date-time",
        description:
          "When stopRequested was set: clients are told that it is Stopping since then, where this is set as well.",
      }),
    ),
  },
  { additionalProperties: true, description: "What to run, and when to end it." },
);

const time = (description: string) => Type.String({ format: "date-time", description });
const flag = (description: string) => Type.Optional(Type.Boolean({ description }));

export const statusSchema = Type.Object(
  {
    phase: Type.Optional(Type.Enum(recordedStates, { description: "The latest state reached." })),
    reason: Type.Optional(
      Type.Enum([...sweptReasons, ...failedReasons], {
        description: "Why the backend is over; absent while it lives.",
      }),
    ),
    message: Type.Optional(Type.String({ description: "What happened at the end, and what can be done about it." })),
    transitions: Type.Optional(
      Type.Record(Type.String(), Type.Object({ time: time("When the state was reached.") }), {
        description: "Each state reached, with its time.",
      }),
    ),
    conditions: Type.Optional(
      Type.Array(
        Type.Object({
          type: Type.String({ description: "Ready." }),
          status: Type.String({ description: "True or False." }),
          reason: Type.String({ description: "Listening, or the reason of the end." }),
          message: Type.String({ description: "For people." }),
          lastTransitionTime: time("When the status last changed."),
        }),
        { description: "For `kubectl wait --for=condition=Ready`." },
      ),
    ),
    nodeName: Type.Optional(Type.String({ description: "Where the workload runs." })),
    podIP: Type.Optional(Type.String({ description: "IP address of the relay host." })),
    podUID: Type.Optional(Type.String({ description: "Identity of the workload." })),
    ip: Type.Optional(Type.String({ description: "IP address under which 0.1.9's routers reach the backend." })),
    port: Type.Optional(Type.Integer({ description: "Port of the relay." })),
    url: Type.Optional(Type.String({ description: "URL of the relay, from inside." })),
    relayProtocol: Type.Optional(
      Type.Integer({ description: "0: the relay host is a sidecar of 0.1.9. Absent: one of ours." }),
    ),
    submitted: flag("Accepted."),
    constructed: flag("The workload exists."),
    scheduled: flag("The workload has a place to run."),
    running: flag("The program was started."),
    ready: flag("The program listens."),
    fencingToken: Type.Optional(
      Type.String({
        description:
          "A number that grows with every backend of a key: what stores can tell a former one's late writes by.",
      }),
    ),
    revocations: Type.Optional(
      Type.Object(
        {
          users: Type.Optional(
            Type.Record(Type.String(), Type.String({ format: "date-time" }), {
              description:
                "Users whose tokens are good no more, unless they were signed in the knowledge of this revocation, and since when.",
            }),
          ),
          tokens: Type.Optional(
            Type.Record(Type.String(), Type.String({ format: "date-time" }), {
              description: "Ids of tokens that are good no more, and since when.",
            }),
          ),
          everyone: Type.Optional(
            Type.String({
              format: "date-time",
              description:
                "Tokens of everyone are good no more, unless they were signed in the knowledge of this revocation: it has taken " +
                "the place of all that there were, when there were too many.",
            }),
          ),
        },
        {
          description:
            "Connection tokens that were taken back. What concerns none that may be good still is forgotten with the next.",
        },
      ),
    ),
    swept: flag("Ended as meant: see reason."),
    failed: flag("Ended by a failure: see reason."),
  },
  { additionalProperties: true, description: "What became of it. Written by Spawner only." },
);

import { backendStates, errorCodes, failedReasons, specChangePolicies, sweptReasons } from "@spawner/client";
import { Type } from "typebox";
import { labelSelectorPattern } from "../core/label-selector.ts";
import { envValuePattern, longestSeconds, longestTerminationSeconds } from "../core/resource-schema.ts";
import { longestTokenSeconds } from "../core/token-seconds.ts";

const seconds = (description: string, { minimum = 0, maximum = longestSeconds } = {}) =>
  Type.Optional(Type.Integer({ minimum, maximum, description }));

/** Names as Kubernetes takes them, without those that Spawner sets itself, and the one that no JSON here may have. */
const envName = "^(?!PORT$|SPAWNER_|__proto__$)[ -<>-~]{1,1024}$";

/** SpawnRequest of the client's protocol. */
export const spawnRequestSchema = Type.Object(
  {
    image: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 512,
        description: "Container image, over that of the template; on one machine the name of a template as well.",
      }),
    ),
    template: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 63,
        description:
          "Name of a template of the server: the other fields go over its own, env by each variable. Default, where no " +
          "image is given: the one that is called default, or the only one.",
      }),
    ),
    port: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 65535,
        description:
          "Port that the program listens on, given to it as PORT. Default 8080; 0: the first that listens. Refused on one " +
          "machine, where each program is given a free one.",
      }),
    ),
    env: Type.Optional(
      Type.Record(Type.String({ pattern: envName }), Type.String({ pattern: envValuePattern }), {
        additionalProperties: false,
        maxProperties: 1000,
        description:
          "Environment of the program. PORT and SPAWNER_… are set by Spawner. As NAME=value in UTF-8, each variable may " +
          "have 131,071 bytes, and all together 1 MiB.",
      }),
    ),
    gracePeriodSeconds: seconds("Seconds without a client after which the backend is swept. Default 300."),
    firstClientSeconds: seconds("Seconds that a ready backend waits for its first client at least. Default 30."),
    silentConnectionSeconds: seconds(
      "Seconds without data after which an open WebSocket, or another upgraded connection, is no client any more; pings " +
        "are no data. Default, and 0: it is one until it closes.",
    ),
    lifetimeSeconds: seconds("Seconds after which the backend is ended even when in use. Default: none.", {
      minimum: 1,
    }),
    startupTimeoutSeconds: seconds(
      "Seconds, from when its workload was made, in which the program must listen. Default 300.",
      { minimum: 1 },
    ),
    terminationGracePeriodSeconds: seconds("Seconds between asking the program to end and killing it. Default 30.", {
      maximum: longestTerminationSeconds,
    }),
  },
  {
    additionalProperties: false,
    description: "What to start. {} starts the default template.",
    examples: [{}, { env: { DOCUMENT: "budget" }, gracePeriodSeconds: 60 }],
  },
);

/** A key stands in the program's environment, which ends at a zero byte, and has a name made from its UTF-8. */
export const keyPattern = "^[^\\u0000\\ud800-\\udfff]+$";

/** Printable ASCII, which a header field can have, without a space at either end. */
export const userPattern = "^[!-~]([ -~]*[!-~])?$";

/** ConnectRequest of the client's protocol. */
export const connectRequestSchema = Type.Object(
  {
    key: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 512,
        pattern: keyPattern,
        description:
          "Names the session: at most one backend of a key lives. 512 bytes of UTF-8 at most. Default: a new session of " +
          "its own.",
      }),
    ),
    onSpecChange: Type.Optional(
      Type.Enum(specChangePolicies, {
        description:
          "Where a backend of the key lives with another spec: hand it out and end it as soon as nobody is connected " +
          "(whenIdle, the default), hand it out and leave it (keep), end it and start another (now).",
      }),
    ),
    user: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 256,
        pattern: userPattern,
        description: "Who is let in, in printable ASCII: the program gets it as x-spawner-user.",
      }),
    ),
    auth: Type.Optional(
      Type.Object(
        {},
        {
          additionalProperties: true,
          description:
            "What the program is to know of the user: it gets it as x-spawner-auth, JSON in base64url. 2 KiB at most.",
        },
      ),
    ),
    tokenTtlSeconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: longestTokenSeconds,
        description: "Seconds for which the token lets connections begin; those that are open go on. Default 3600.",
      }),
    ),
    waitReady: Type.Optional(
      Type.Boolean({ description: "Whether to wait until the program listens, for 30 s at most. Default false." }),
    ),
    ...spawnRequestSchema.properties,
  },
  {
    additionalProperties: false,
    description: "Whom to let in, and where. What is to run is as in SpawnRequest.",
    examples: [{ key: "document-42", user: "ada" }, {}],
  },
);

/** RevokeRequest of the client's protocol. */
export const revokeRequestSchema = Type.Object(
  {
    user: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 256,
        pattern: userPattern,
        description: "Every token of this user until now.",
      }),
    ),
    token: Type.Optional(Type.String({ minLength: 1, maxLength: 8_192, description: "One token." })),
  },
  {
    additionalProperties: false,
    minProperties: 1,
    maxProperties: 1,
    description: "Exactly one of the two.",
    examples: [{ user: "ada" }],
  },
);

const spawnResponseSchema = Type.Object(
  {
    url: Type.Optional(Type.String({ description: "Where clients reach it." })),
    name: Type.String({ description: "The backend's id." }),
    readyUrl: Type.Optional(Type.String({ description: "302 when ready, 409 before, 410 when over." })),
    statusUrl: Type.Optional(Type.String({ description: "Its state; /stream below it as server-sent events." })),
  },
  {
    description: "The backend that was accepted.",
    examples: [
      {
        url: "http://127.0.0.1:8080/b4xk2m9qvd/",
        name: "b4xk2m9qvd",
        readyUrl: "http://127.0.0.1:8080/api/backend/b4xk2m9qvd/ready",
        statusUrl: "http://127.0.0.1:8080/api/backend/b4xk2m9qvd/status",
      },
    ],
  },
);

const textOrNull = Type.Union([Type.String(), Type.Null()]);

/** As 0.1.9 wrote it: what is not known is null, and not left out. */
export const compatSpawnResponseSchema = Type.Object(
  { url: textOrNull, name: Type.String(), readyUrl: textOrNull, statusUrl: textOrNull },
  { description: "The backend that was accepted." },
);

const statusFields = {
  state: Type.Enum(backendStates, { description: "The latest state reached." }),
  time: Type.String({ format: "date-time", description: "When it was reached." }),
  reason: Type.Optional(Type.Enum([...sweptReasons, ...failedReasons], { description: "Why it is over." })),
  message: Type.Optional(Type.String({ description: "What happened, and what to do about it." })),
};

const sweptExample = {
  state: "Swept",
  time: "2026-01-31T12:05:10.000Z",
  reason: "Idle",
  message: "Nobody was connected for 300 s (gracePeriodSeconds).",
};

const statusMessageSchema = Type.Object(statusFields, {
  description: "One state reached.",
  examples: [{ state: "Ready", time: "2026-01-31T12:00:00.250Z" }, sweptExample],
});

const connectResponseSchema = Type.Object(
  {
    backend: Type.String({ description: "The backend's id." }),
    generation: Type.String({ description: "Its UID: the next backend of the key has another one, and the same id." }),
    key: Type.Optional(Type.String({ description: "As it was asked for." })),
    url: Type.Optional(Type.String({ description: "Where this user reaches it; the token is in it." })),
    token: Type.String({ description: "Lets this user in: Authorization: Bearer." }),
    tokenExpiresAt: Type.String({ format: "date-time", description: "When the token is over." }),
    statusUrl: Type.Optional(Type.String({ description: "Its state; /stream below it as server-sent events." })),
    spawned: Type.Boolean({ description: "Whether this call started it." }),
    stale: Type.Boolean({ description: "Whether it has another spec than the one asked for." }),
    state: Type.Enum(backendStates, { description: "The latest state reached." }),
    previousFailure: Type.Optional(
      Type.Ref("StatusMessage#", { description: "How the backend of the key before this one failed." }),
    ),
  },
  {
    description: "The backend, and a token for it.",
    examples: [
      {
        backend: "rx45jjp2fp7x2f7fz8mxj2sp",
        generation: "0b6a9c1e-5d0f-4c5e-9a53-0d1f7e6a2b11",
        key: "document-42",
        url: "http://127.0.0.1:8080/rx45jjp2fp7x2f7fz8mxj2sp/?_spawner_token=eyJh",
        token: "eyJh",
        tokenExpiresAt: "2026-01-31T13:00:00.000Z",
        statusUrl: "http://127.0.0.1:8080/api/backend/rx45jjp2fp7x2f7fz8mxj2sp/status",
        spawned: false,
        stale: false,
        state: "Ready",
      },
    ],
  },
);

const backendViewSchema = Type.Object(
  {
    name: Type.String({ description: "The backend's id." }),
    generation: Type.String({ description: "Its UID: another backend of the same id has another one." }),
    key: Type.Optional(Type.String({ description: "What `connect` names it by." })),
    user: Type.Optional(Type.String({ description: "Whom it was started for." })),
    ...statusFields,
    url: Type.Optional(Type.String({ description: "Where clients reach it." })),
    createdAt: Type.String({ format: "date-time", description: "When it was accepted." }),
    transitions: Type.Array(Type.Ref("StatusMessage#"), { description: "Each state reached, oldest first." }),
    gracePeriodSeconds: Type.Integer({ description: "Seconds without a client after which it is swept." }),
    terminationGracePeriodSeconds: Type.Integer({
      description: "Seconds between asking its program to end and killing it.",
    }),
    ending: Type.Optional(
      Type.Literal(true, {
        description: "It is over, and its program may still run and write. Absent when nothing is left of it.",
      }),
    ),
  },
  {
    description: "A backend.",
    examples: [
      {
        name: "b4xk2m9qvd",
        generation: "0b6a9c1e-5d0f-4c5e-9a53-0d1f7e6a2b11",
        ...sweptExample,
        url: "http://127.0.0.1:8080/b4xk2m9qvd/",
        createdAt: "2026-01-31T12:00:00.000Z",
        transitions: [
          { state: "Submitted", time: "2026-01-31T12:00:00.000Z" },
          { state: "Running", time: "2026-01-31T12:00:00.060Z" },
          { state: "Ready", time: "2026-01-31T12:00:00.250Z" },
          sweptExample,
        ],
        gracePeriodSeconds: 300,
        terminationGracePeriodSeconds: 30,
        ending: true,
      },
    ],
  },
);

const backendListSchema = Type.Object(
  {
    backends: Type.Array(Type.Ref("Backend#")),
    continue: Type.Optional(Type.String({ description: "Give it as `continue` to get the next page." })),
  },
  { description: "One page of backends, in order of their names." },
);

const errorBodySchema = Type.Object(
  {
    id: Type.String({ description: "Names this one error in the server's log." }),
    code: Type.Enum(errorCodes, { description: "What kind of error it is. The list is closed." }),
    message: Type.String({ description: "What was wrong, the value given and the value needed." }),
  },
  { description: "An error." },
);

/** What answers are made of, by the names under which routes refer to it: `{ $ref: "Backend#" }`. */
export const namedSchemas = {
  SpawnResponse: spawnResponseSchema,
  ConnectResponse: connectResponseSchema,
  StatusMessage: statusMessageSchema,
  Backend: backendViewSchema,
  BackendList: backendListSchema,
  Error: errorBodySchema,
};

export const listQuerySchema = Type.Object(
  {
    label: Type.Optional(
      Type.Array(
        Type.String({
          pattern: labelSelectorPattern,
          examples: ["team=maps", "stage in (test, live)", "!old"],
        }),
        {
          maxItems: 32,
          description:
            "Only backends with labels that this selects, as Kubernetes has it: name=value, name!=value, name in (a, b), " +
            "name notin (a, b), name, !name; several with commas, or by repeating it, where all have to be met.",
        },
      ),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, description: "Page size. Default 100." })),
    continue: Type.Optional(Type.String({ maxLength: 1_024, description: "`continue` of the page before." })),
    watch: Type.Optional(
      Type.Boolean({
        description:
          "Server-sent events in the place of a page: without `limit` and `continue`, which are refused then.",
      }),
    ),
  },
  { additionalProperties: false },
);

export const stopQuerySchema = Type.Object(
  {
    graceSeconds: seconds(
      "Kill its program after this many seconds, where it would have longer. Default: terminationGracePeriodSeconds.",
    ),
  },
  { additionalProperties: false },
);

export const logQuerySchema = Type.Object(
  {
    tail: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 100_000, description: "Only this many lines from the end. Default: all." }),
    ),
    follow: Type.Optional(
      Type.Boolean({ description: "Go on with what is written later, until the program is over. Default false." }),
    ),
  },
  { additionalProperties: false },
);

export const resumeHeadersSchema = Type.Object({
  "last-event-id": Type.Optional(Type.String({ description: "Id of the last event that the client has." })),
});

export const idParamsSchema = Type.Object({
  id: Type.String({ description: "The backend's id.", examples: ["b4xk2m9qvd"] }),
});

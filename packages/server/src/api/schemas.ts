import { backendStates, errorCodes, failedReasons, sweptReasons } from "@spawner/client";
import { Type } from "typebox";

const seconds = (description: string, minimum = 0) =>
  Type.Optional(Type.Integer({ minimum, maximum: 315_360_000, description }));

/** Names as Kubernetes takes them, without those that Spawner sets itself. */
const envName = "^(?!PORT$|SPAWNER_)[ -<>-~]+$";

/** SpawnRequest of the client's protocol. */
export const spawnRequestSchema = Type.Object(
  {
    image: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 512,
        description: "Container image; on one machine the name of a template. Not needed where there is only one.",
      }),
    ),
    port: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 65535,
        description: "Port that the program listens on, given to it as PORT. Default 8080; 0: the first that listens.",
      }),
    ),
    env: Type.Optional(
      Type.Record(Type.String({ pattern: envName }), Type.String({ pattern: "^[^\\u0000]*$", maxLength: 131_072 }), {
        additionalProperties: false,
        description: "Environment of the program. PORT and SPAWNER_… are set by Spawner.",
      }),
    ),
    gracePeriodSeconds: seconds("Seconds without a client after which the backend is swept. Default 300."),
    firstClientSeconds: seconds("Seconds that a ready backend waits for its first client at least. Default 30."),
    lifetimeSeconds: seconds("Seconds after which the backend is ended even when in use. Default: none.", 1),
    startupTimeoutSeconds: seconds("Seconds in which the program must listen. Default 300.", 1),
    terminationGracePeriodSeconds: seconds("Seconds between asking the program to end and killing it. Default 30."),
  },
  { additionalProperties: false, description: "What to start. {} starts the only template there is." },
);

export const spawnResponseSchema = Type.Object(
  {
    name: Type.String({ description: "The backend's id." }),
    url: Type.Optional(Type.String({ description: "Where clients reach it." })),
    readyUrl: Type.Optional(Type.String({ description: "302 when ready, 409 before, 410 when over." })),
    statusUrl: Type.Optional(Type.String({ description: "Its state; /stream below it as server-sent events." })),
  },
  { description: "The backend that was accepted." },
);

const statusFields = {
  state: Type.Enum(backendStates, { description: "The latest state reached." }),
  time: Type.String({ format: "date-time", description: "When it was reached." }),
  reason: Type.Optional(Type.Enum([...sweptReasons, ...failedReasons], { description: "Why it is over." })),
  message: Type.Optional(Type.String({ description: "What happened, and what to do about it." })),
};

export const statusMessageSchema = Type.Object(statusFields, { description: "One state reached." });

export const backendViewSchema = Type.Object(
  {
    name: Type.String({ description: "The backend's id." }),
    ...statusFields,
    url: Type.Optional(Type.String({ description: "Where clients reach it." })),
    createdAt: Type.String({ format: "date-time" }),
    transitions: Type.Array(statusMessageSchema, { description: "Each state reached, oldest first." }),
    gracePeriodSeconds: Type.Integer(),
  },
  { description: "A backend." },
);

export const backendListSchema = Type.Object({
  backends: Type.Array(backendViewSchema),
  continue: Type.Optional(Type.String({ description: "Give it as `continue` to get the next page." })),
});

export const listQuerySchema = Type.Object(
  {
    label: Type.Optional(
      Type.Array(Type.String({ pattern: "^[^=]+=[^=]*$" }), {
        description: "Only backends with this label, `name=value`; may be repeated.",
      }),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, description: "Page size. Default 100." })),
    continue: Type.Optional(Type.String({ maxLength: 63, description: "`continue` of the page before." })),
  },
  { additionalProperties: false },
);

export const idParamsSchema = Type.Object({ id: Type.String({ description: "The backend's id." }) });

export const errorBodySchema = Type.Object(
  {
    id: Type.String({ description: "Names this one error in the server's log." }),
    code: Type.Enum(errorCodes),
    message: Type.String({ description: "What was wrong, the value given and the value needed." }),
  },
  { description: "An error." },
);

import { apiVersion, group, kind, version } from "./resource.ts";
import { specSchema, statusSchema } from "./resource-schema.ts";

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
type JsonObject = { readonly [key: string]: Json };

/**
 * The CustomResourceDefinition, generated from the schemas that also make the types.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
 */
export function buildCrd(): JsonObject {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `sessionlivedbackends.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: {
        kind,
        plural: "sessionlivedbackends",
        singular: "sessionlivedbackend",
        shortNames: ["slab"],
        categories: ["all"],
      },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: [
            column("State", ".status.phase"),
            column("Reason", ".status.reason"),
            column("Node", ".status.nodeName"),
            { ...column("Age", ".metadata.creationTimestamp"), type: "date" },
          ],
          // Also the sweeper's, which watches the backends of its own node only.
          selectableFields: [{ jsonPath: ".status.nodeName" }, { jsonPath: ".status.phase" }],
          schema: {
            openAPIV3Schema: {
              type: "object",
              description: `A server process of its own for one user, document or game (${apiVersion}).`,
              required: ["spec"],
              properties: {
                spec: { ...structural(plain(specSchema)), "x-kubernetes-validations": specRules },
                status: { ...structural(plain(statusSchema)), "x-kubernetes-validations": statusRules },
              },
              "x-kubernetes-validations": resourceRules,
            },
          },
        },
      ],
    },
  };
}

/** What a name can be is said when the resource is made; one that is there already is left to the controller. */
const resourceRules = [
  {
    rule: "oldSelf.hasValue() || !self.metadata.name.contains('.') && self.metadata.name.size() <= 63",
    optionalOldSelf: true,
    message: "the name must be a DNS label: up to 63 lower-case letters, digits and '-'",
    fieldPath: ".spec",
  },
];

/** A change that nothing would come of is refused, so that nobody waits for it. */
const specRules = [
  {
    rule: "self.template == oldSelf.template",
    message: "what a backend runs cannot be changed: delete it, and create another one",
    fieldPath: ".template",
  },
  ...["httpPort", "gracePeriodSeconds", "firstClientSeconds", "silentConnectionSeconds"].map((field) => ({
    rule: `has(self.${field}) == has(oldSelf.${field}) && (!has(self.${field}) || self.${field} == oldSelf.${field})`,
    message: `${field} cannot be changed: the backend's relay was started with it`,
    fieldPath: `.${field}`,
  })),
  {
    rule:
      "!has(oldSelf.terminationGracePeriodSeconds) || has(self.terminationGracePeriodSeconds) && " +
      "self.terminationGracePeriodSeconds <= oldSelf.terminationGracePeriodSeconds",
    message: "terminationGracePeriodSeconds can only be lowered: the backend's Pod was made with it",
    fieldPath: ".terminationGracePeriodSeconds",
  },
  {
    rule: "!(has(oldSelf.stopRequested) && oldSelf.stopRequested) || has(self.stopRequested) && self.stopRequested",
    message: "a request to stop cannot be taken back",
    fieldPath: ".stopRequested",
  },
];

/** Whoever writes late, also of an older release, brings nothing back to life. */
const statusRules = ["swept", "failed"].map((flag) => ({
  rule: `!(has(oldSelf.${flag}) && oldSelf.${flag}) || has(self.${flag}) && self.${flag}`,
  message: "a backend that has ended stays so",
  fieldPath: `.${flag}`,
}));

/** Without what TypeBox notes in its schemas for itself. */
function plain(schema: object): JsonObject {
  return JSON.parse(JSON.stringify(schema)) as JsonObject;
}

function column(name: string, jsonPath: string): JsonObject {
  return { name, type: "string", jsonPath };
}

/**
 * A JSON schema as Kubernetes' structural schemas have it: no unions, objects that are open say so by
 * `x-kubernetes-preserve-unknown-fields`, maps by `additionalProperties`.
 */
function structural(schema: JsonObject): JsonObject {
  const { anyOf, patternProperties, additionalProperties, properties, items, ...rest } = schema;
  if (Array.isArray(anyOf)) return nullable(anyOf as readonly JsonObject[], rest);
  const [valueSchema] = Object.values((patternProperties ?? {}) as JsonObject);
  return {
    ...(rest.enum === undefined ? rest : { type: "string", ...rest }),
    ...(properties === undefined ? {} : { properties: mapValues(properties as JsonObject, structural) }),
    ...(items === undefined ? {} : { items: structural(items as JsonObject) }),
    ...(valueSchema === undefined ? {} : { additionalProperties: structural(valueSchema as JsonObject) }),
    ...(additionalProperties === true ? { "x-kubernetes-preserve-unknown-fields": true } : {}),
  };
}

/** The only union there is: a type, or null as 0.1.9 wrote it. */
function nullable(arms: readonly JsonObject[], rest: JsonObject): JsonObject {
  const [typed] = arms.filter((arm) => arm.type !== "null");
  if (typed === undefined || arms.length !== 2) throw new Error(`not a structural union: ${JSON.stringify(arms)}`);
  return { ...structural(typed), ...rest, nullable: true };
}

function mapValues(object: JsonObject, map: (value: JsonObject) => JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value as JsonObject)]));
}

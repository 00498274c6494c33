/** Defaults of the fields of `spec`, the same on every engine. Apart from the schemas, which not every program loads. */
export const specDefaults = {
  httpPort: 8080,
  gracePeriodSeconds: 300,
  firstClientSeconds: 30,
  silentConnectionSeconds: 0,
  startupTimeoutSeconds: 300,
  terminationGracePeriodSeconds: 30,
} as const;

import { expect, test } from "vitest";
import { buildCrd } from "./crd.ts";

function schemasIn(value: unknown): Record<string, unknown>[] {
  if (typeof value !== "object" || value === null) return [];
  return [value as Record<string, unknown>, ...Object.values(value).flatMap(schemasIn)];
}

test("the CRD stays under 200 kB, since client-side apply stores it a second time in an annotation", () => {
  expect(JSON.stringify(buildCrd()).length).toBeLessThan(200_000);
});

test("its schema is structural: no unions, no patterns of properties, no references", () => {
  for (const schema of schemasIn(buildCrd())) {
    for (const keyword of ["anyOf", "allOf", "oneOf", "not", "patternProperties", "$ref", "const"]) {
      expect(schema).not.toHaveProperty(keyword);
    }
    if ("additionalProperties" in schema) expect(schema).not.toHaveProperty("properties");
  }
});

test("what 0.1.9 wrote passes: null for the default port, unknown fields of the template", () => {
  const text = JSON.stringify(buildCrd());
  expect(text).toContain('"httpPort":{"type":"integer","minimum":0,"maximum":65535,');
  expect(text).toContain('"nullable":true');
  expect(text).toContain('"x-kubernetes-preserve-unknown-fields":true');
});

import { expect, test } from "vitest";
import { bearerTokenOf } from "./bearer.ts";

test.each([
  ["Bearer abc", "abc"],
  ["bearer abc", "abc"],
  ["BEARER  aA0-._~+/== ", "aA0-._~+/=="],
  ["Bearer", undefined],
  ["Bearer a b", undefined],
  ["Bearer a=b", undefined],
  ["Basic abc", undefined],
  ["xBearer abc", undefined],
  ["", undefined],
  [undefined, undefined],
])("of %j the token is %j", (field, token) => {
  expect(bearerTokenOf(field)).toBe(token);
});

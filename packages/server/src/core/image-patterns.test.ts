import { expect, test } from "vitest";
import { matchesImage } from "./image-patterns.ts";

test.each([
  ["registry.example.com/team/*", "registry.example.com/team/game:1", true],
  ["registry.example.com/team/*", "registry.example.com/team/game@sha256:0123", true],
  ["registry.example.com/team/*", "registry.example.com/team/deep/game", false],
  ["registry.example.com/team/*", "evil/registry.example.com/team/game", false],
  ["registry.example.com/team/*", "registryXexample.com/team/game", false],
  ["registry.example.com/**", "registry.example.com/team/deep/game:1", true],
  ["registry.example.com/**", "registry.example.com.evil/game", false],
  ["game:*", "game:2", true],
  ["game:*", "game", false],
  ["game", "game:2", false],
  ["game", "game\n", false],
  ["*", "game", true],
])("%s of %j: %s", (pattern, image, matches) => {
  expect(matchesImage(pattern, image)).toBe(matches);
});

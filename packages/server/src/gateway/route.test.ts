import { expect, test } from "vitest";
import { parseTarget } from "./route.ts";

test.each([
  ["/", { kind: "root" }],
  ["/?a=b", { kind: "root" }],
  ["http://any.example", { kind: "root" }],
  ["http://any.example/b4x/y?z", { kind: "segment", id: "b4x", target: "/y?z" }],
  ["/b4x", { kind: "unslashed", id: "b4x", query: "" }],
  ["/b4x?a=/b", { kind: "unslashed", id: "b4x", query: "?a=/b" }],
  ["/b4x/", { kind: "segment", id: "b4x", target: "/" }],
  ["/b4x//y", { kind: "segment", id: "b4x", target: "//y" }],
  ["/b4x/../c5y", { kind: "segment", id: "b4x", target: "/../c5y" }],
  ["/b4x/%2e%2e?q=%20+", { kind: "segment", id: "b4x", target: "/%2e%2e?q=%20+" }],
  ["//b4x/", { kind: "segment", id: "", target: "/b4x/" }],
  ["/b%344x/", { kind: "segment", id: "b%344x", target: "/" }],
  ["*", { kind: "malformed" }],
  ["b4x/", { kind: "malformed" }],
])("%s leads to %j", (target, route) => {
  expect(parseTarget(target)).toEqual(route);
});

test.each([
  ["/", { kind: "root" }],
  ["/p/", { kind: "root" }],
  ["/p/b4x/y?z", { kind: "segment", id: "b4x", target: "/y?z" }],
  ["http://any.example/p/b4x/", { kind: "segment", id: "b4x", target: "/" }],
  ["/p/b4x?a", { kind: "unslashed", id: "b4x", query: "?a" }],
  ["/api/spawn", { kind: "segment", id: "api", target: "/spawn" }],
  ["/healthz", { kind: "unslashed", id: "healthz", query: "" }],
  ["/b4x/", { kind: "elsewhere", id: "b4x" }],
  ["/p", { kind: "elsewhere", id: "p" }],
  ["/px/b4x/", { kind: "elsewhere", id: "px" }],
  ["/p/api/spawn", { kind: "elsewhere", id: "api" }],
  ["p/b4x/", { kind: "malformed" }],
])("with backends below /p, %s leads to %j", (target, route) => {
  expect(parseTarget(target, "/p")).toEqual(route);
});

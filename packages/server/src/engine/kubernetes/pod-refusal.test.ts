import { expect, test } from "vitest";
import { KubeError } from "./kube-client.ts";
import { refusalOf } from "./pod-refusal.ts";

test.each([
  [403, 'pods "b" is forbidden: exceeded quota: q, requested: pods=1, used: pods=5, limited: pods=5', "Rejected"],
  [403, 'pods "b" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true', "Rejected"],
  [403, 'pods "b" is forbidden: error looking up service account s/a: serviceaccount "a" not found', "Rejected"],
  [400, 'admission webhook "w.example.com" denied the request: no', "Rejected"],
  [422, `pods "b" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no`, "Rejected"],
  [422, 'Pod "b" is invalid: spec.dnsPolicy: Unsupported value: "Sometimes"', "InvalidSpec"],
  [
    400,
    'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string into Go struct field',
    "InvalidSpec",
  ],
  [413, "Request entity too large: limit is 3145728", "InvalidSpec"],
])("%i, %s: the backend ends as %s, with these words", (status, message, reason) => {
  expect(refusalOf(new KubeError({ status, reason: "R", message }))).toEqual({
    reason,
    message: expect.stringContaining(message),
  });
});

test.each([
  [
    403,
    'pods is forbidden: User "system:serviceaccount:s:c" cannot create resource "pods" in API group "" in the namespace "s"',
  ],
  [404, 'namespaces "s" not found'],
  [409, 'Operation cannot be fulfilled on resourcequotas "q": the object has been modified'],
])("%i, %s: it is tried again, since the backend is not to blame", (status, message) => {
  expect(refusalOf(new KubeError({ status, reason: "R", message }))).toBeUndefined();
});

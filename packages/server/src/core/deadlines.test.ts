import { expect, test } from "vitest";
import { deadlines } from "./deadlines.ts";

test("the outcome of writing Swept is known well before the seal lapses, also where it has to be found out", () => {
  const { relayHostRequestMs, sweptWriteMs, streamRetryFirstMs, statusWriteMs, sealLeaseMs } = deadlines;
  expect(relayHostRequestMs + sweptWriteMs + streamRetryFirstMs + statusWriteMs).toBeLessThan(sealLeaseMs);
});

test("a write of a status can be tried, and one of Swept also be read back, in the time that it has", () => {
  expect(deadlines.apiServerMs).toBeLessThanOrEqual(deadlines.statusWriteMs);
  expect(2 * deadlines.apiServerMs).toBeLessThanOrEqual(deadlines.sweptWriteMs);
});

test("two heartbeats may be lost before a stream is taken for dead", () => {
  expect(deadlines.streamSilenceMs).toBeGreaterThan(2 * deadlines.heartbeatMs);
});

test("a request parked by a seal outlives the seal", () => {
  expect(deadlines.relayHostParkMs).toBeGreaterThan(deadlines.sealLeaseMs);
});

test("the gateway waits longer than the relay host, so that the host's answer arrives", () => {
  expect(deadlines.parkMs).toBeGreaterThan(deadlines.relayHostParkMs);
});

test("retries start below where they end", () => {
  expect(deadlines.streamRetryFirstMs).toBeLessThan(deadlines.streamRetryMostMs);
  expect(deadlines.reconcileRetryFirstMs).toBeLessThan(deadlines.reconcileRetryMostMs);
});

test("who connects is refused within 2 s where neither the backend nor the store answers", () => {
  expect(deadlines.holdMs + deadlines.freshReadMs).toBeLessThan(2_000);
  expect(deadlines.apiServerMs).toBeLessThan(2_000);
});

test("a leader that could not renew its lease has stopped, with its last writes, before another may lead", () => {
  const { leaseMs, leaseRenewMs, leaseRetryMs, statusWriteMs } = deadlines;
  expect(leaseRenewMs + statusWriteMs).toBeLessThan(leaseMs);
  expect(2 * leaseRetryMs).toBeLessThan(leaseRenewMs);
});

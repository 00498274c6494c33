import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decodeRelayHostState,
  encodeLegacyState,
  encodeRelayHostState,
  isInUse,
  type RelayHostState,
} from "./relay-host.ts";

const at = (change: Partial<RelayHostState>): RelayHostState => ({
  ready: true,
  liveConnections: 0,
  idleMs: 0,
  msUntilIdle: undefined,
  sealed: false,
  ...change,
});

test.each([
  ["not ready", at({ ready: false }), '{"ready": false}'],
  ["in use", at({ liveConnections: 2 }), '{"ready": true, "live_connections": 2}'],
  ["busy, and not in use", at({ busy: true }), '{"ready": true, "live_connections": 1, "busy": true}'],
  ["busy, and in use", at({ busy: true, liveConnections: 2 }), '{"ready": true, "live_connections": 3, "busy": true}'],
  [
    "idle, in the whole seconds of 0.1.9 and in ours",
    at({ idleMs: 1_999.7, msUntilIdle: 58_000.3 }),
    '{"ready": true, "seconds_since_active": 1, "milliseconds_since_active": 1999, "milliseconds_until_idle": 58001}',
  ],
  [
    "sealed",
    at({ sealed: true, msUntilIdle: 0 }),
    '{"ready": true, "seconds_since_active": 0, "milliseconds_since_active": 0, "milliseconds_until_idle": 0, "sealed": true}',
  ],
  [
    "still without a client",
    at({ awaitsFirstClient: true, msUntilIdle: 5 }),
    '{"ready": true, "seconds_since_active": 0, "milliseconds_since_active": 0, "milliseconds_until_idle": 5, "awaits_first_client": true}',
  ],
])("a host that is %s says so", (_, state, json) => {
  expect(encodeRelayHostState(state)).toBe(json);
});

test("who knows hosts of 0.1.9 alone takes a busy program for a client", () => {
  expect(encodeLegacyState(at({ busy: true }))).toBe('{"ready": true, "live_connections": 1}');
});

test("what one says is what the other understands", () => {
  const states = fc
    .record({
      liveConnections: fc.nat(1000),
      idleMs: fc.nat(),
      msUntilIdle: fc.option(fc.nat(), { nil: undefined }),
      sealed: fc.boolean(),
      busy: fc.constantFrom({}, { busy: true }),
      awaitsFirstClient: fc.constantFrom({}, { awaitsFirstClient: true }),
    })
    // While somebody is there, nobody has been away for any time.
    .map(({ awaitsFirstClient, busy, ...fields }): RelayHostState => {
      const state = at({ ...fields, ...awaitsFirstClient, ...busy });
      return isInUse(state) ? { ...state, idleMs: 0 } : state;
    });
  fc.assert(
    fc.property(states, (state) => {
      expect(decodeRelayHostState(encodeRelayHostState(state))).toEqual(state);
    }),
  );
  expect(decodeRelayHostState(encodeRelayHostState(at({ ready: false })))).toEqual(at({ ready: false }));
});

test("idleness is never said to be longer, nor the wait for it shorter, than it is", () => {
  const ms = fc.double({ min: 0, max: 1e9, noNaN: true });
  fc.assert(
    fc.property(ms, ms, (idleMs, msUntilIdle) => {
      const understood = decodeRelayHostState(encodeRelayHostState(at({ idleMs, msUntilIdle })));
      expect(understood?.idleMs).toBeLessThanOrEqual(idleMs);
      expect(understood?.msUntilIdle).toBeGreaterThanOrEqual(msUntilIdle);
    }),
  );
});

describe("a host of 0.1.9 is understood", () => {
  // Its bytes as they came: each chunk held one event.
  test.each([
    ['data: {"ready": false}\n\n', at({ ready: false })],
    ['data: {"ready": true, "seconds_since_active": 0}\n\n', at({})],
    ['data: {"ready": true, "seconds_since_active": 17}\n\n', at({ idleMs: 17_000 })],
    ['data: {"ready": true, "live_connections": 1}\n\n', at({ liveConnections: 1 })],
    ['data: {"ready": true, "live_connections": 2}\n\n', at({ liveConnections: 2 })],
  ])("%j", (event, state) => {
    expect(decodeRelayHostState(event.trimEnd().slice("data:".length))).toEqual(state);
  });

  test("also where it gives both, or nulls, or fields that we do not know", () => {
    const json = '{"ready":true,"live_connections":0,"seconds_since_active":3,"sealed":null,"version":"0.1.9"}';
    expect(decodeRelayHostState(json)).toEqual(at({ idleMs: 3_000 }));
  });
});

test.each(["", "{", "null", "3", '"ready"', "[]", "[true]", "{}", '{"ready":"true"}', '{"ready":1}', "\u0000"])(
  "%j is not taken for an event",
  (json) => {
    expect(decodeRelayHostState(json)).toBeUndefined();
  },
);

test.each([
  ['{"ready":true,"live_connections":-1}', at({})],
  ['{"ready":true,"live_connections":"2"}', at({})],
  ['{"ready":true,"seconds_since_active":-5}', at({})],
  ['{"ready":true,"milliseconds_since_active":1e999}', at({})],
  ['{"ready":true,"sealed":"yes"}', at({})],
])("a number or a flag that is none, in %s, makes nobody idle", (json, state) => {
  expect(decodeRelayHostState(json)).toEqual(state);
});

test("no text at all makes it throw", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void decodeRelayHostState(text)));
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { WebSocketFrames } from "./websocket-frames.ts";

interface Frame {
  readonly opcode: number;
  readonly isFinal: boolean;
  readonly isMasked: boolean;
  readonly length: number;
}

const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

function headerOf({ opcode, isFinal, isMasked, length }: Frame): Buffer {
  const mask = isMasked ? 0x80 : 0;
  const first = Buffer.from([(isFinal ? 0x80 : 0) | opcode]);
  const key = Buffer.alloc(isMasked ? 4 : 0, 0xa5);
  if (length < 126) return Buffer.concat([first, Buffer.from([mask | length]), key]);
  const long = Buffer.alloc(length < 65_536 ? 2 : 8);
  if (long.length === 2) long.writeUInt16BE(length);
  else long.writeBigUInt64BE(BigInt(length));
  return Buffer.concat([first, Buffer.from([mask | (long.length === 2 ? 126 : 127)]), long, key]);
}

/** A frame whose payload looks like the header of a text: it is to be skipped. */
function encode(frame: Frame): Buffer {
  return Buffer.concat([headerOf(frame), Buffer.alloc(frame.length, 0x81)]);
}

/** For each byte of a frame, whether a reader that gets to it has seen something of its data: its header's end, or what is behind. */
function marks(frame: Frame): boolean[] {
  const { length } = headerOf(frame);
  const isData = frame.opcode <= opcodes.binary;
  return Array.from({ length: length + frame.length }, (_, at) => isData && at >= length - 1);
}

const lengths = fc.oneof(fc.constantFrom(0, 1, 124, 125, 126, 127, 65_535, 65_536), fc.integer({ min: 0, max: 300 }));
const dataFrame = fc.record({
  opcode: fc.constantFrom(opcodes.continuation, opcodes.text, opcodes.binary),
  isFinal: fc.boolean(),
  isMasked: fc.boolean(),
  length: lengths,
});
const controlFrame = fc.record({
  opcode: fc.constantFrom(opcodes.close, opcodes.ping, opcodes.pong),
  isFinal: fc.constant(true),
  isMasked: fc.boolean(),
  length: fc.integer({ min: 0, max: 125 }),
});
const stream = fc.array(fc.oneof(dataFrame, { arbitrary: controlFrame, weight: 3 }), { minLength: 1, maxLength: 12 });

/** Some within a header, some over several frames. */
const cuts = fc.infiniteStream(fc.oneof(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 40_000 })));

test("what is data is the same however the bytes are cut", () => {
  fc.assert(
    fc.property(stream, cuts, (frames, sizes) => {
      const bytes = Buffer.concat(frames.map(encode));
      const expected = frames.flatMap(marks);
      const reader = new WebSocketFrames();
      for (let at = 0; at < bytes.length; ) {
        const [size = 1] = sizes.take(1);
        const hasData = reader.read(bytes.subarray(at, at + size));
        if (hasData !== expected.slice(at, at + size).includes(true)) throw new Error(`${hasData} from byte ${at} on`);
        at += size;
      }
    }),
    { numRuns: 200 },
  );
});

/** Reads a head of a frame, then a ping. */
function after(...bytes: number[]) {
  const reader = new WebSocketFrames();
  const first = reader.read(Buffer.from(bytes));
  return [first, reader.read(encode({ opcode: opcodes.ping, isFinal: true, isMasked: true, length: 4 }))];
}

describe("bytes that are no frames are data, and all behind them", () => {
  test.each([
    ["an opcode that is reserved for data", [0x83, 0]],
    ["an opcode that is reserved for control", [0x8b, 0]],
    ["a ping in fragments", [0x09, 0]],
    ["a ping that is too long", [0x89, 126]],
    ["a length of more than 2^53", [0x82, 127, 0, 0x20, 0, 0, 0, 0, 0, 0]],
  ])("%s", (_, bytes) => {
    expect(after(...bytes)).toEqual([true, true]);
  });
});

test("a ping, a pong and a close are no data", () => {
  for (const opcode of [opcodes.ping, opcodes.pong, opcodes.close]) {
    expect(after(0x80 | opcode, 0)).toEqual([false, false]);
  }
});

test("a payload of terabytes is data for as long as it comes, and counted without being kept", () => {
  const reader = new WebSocketFrames();
  expect(reader.read(headerOf({ opcode: opcodes.binary, isFinal: true, isMasked: false, length: 2 ** 42 }))).toBe(true);
  expect(reader.read(Buffer.alloc(100_000))).toBe(true);
});

import { readFileSync, statSync } from "node:fs";
import { uptime } from "node:os";

const headerBytes = 32;
const frameHeaderBytes = 24;
/** The first four bytes; the last bit tells the byte order of the checksums. */
const magic = 0x377f0682;

type Checksum = readonly [number, number];

/**
 * What is wrong with the write-ahead log of a database; undefined if nothing is. SQLite takes a damaged log for a shorter one,
 * and goes on without what was written after the damage: sessions would be forgotten, and their programs left behind. A log
 * that merely ends in the midst of a write, as a kill leaves it, is whole; one that was cut off cannot be told from that.
 * (https://www.sqlite.org/fileformat2.html#the_write_ahead_log)
 */
export function findLogDamage(path: string): string | undefined {
  const log = readIfThere(path);
  if (log.length <= headerBytes) return undefined; // nothing was written to it yet
  const isBigEndian = (log.readUInt32BE(0) & 1) === 1;
  const sum = makeSum(log, isBigEndian);
  const ofHeader = sum([0, 0], { from: 0, to: headerBytes - 8 });
  if ((log.readUInt32BE(0) & ~1) >>> 0 !== magic || !isStoredAt(log, headerBytes - 8, ofHeader)) {
    return "its header is not what was written";
  }
  const frameBytes = frameHeaderBytes + log.readUInt32BE(8);
  const ofThisLog = (frame: number) => log.compare(log, 16, 24, frame + 8, frame + 16) === 0; // by its salt
  let checksum = ofHeader;
  for (let frame = headerBytes; frame + frameBytes <= log.length && ofThisLog(frame); frame += frameBytes) {
    checksum = sum(checksum, { from: frame, to: frame + 8 });
    checksum = sum(checksum, { from: frame + frameHeaderBytes, to: frame + frameBytes });
    if (isStoredAt(log, frame + 16, checksum)) continue;
    const number = (frame - headerBytes) / frameBytes + 1;
    return isFollowedByCommit(frame) && wasWrittenSinceBoot(path)
      ? `its frame ${number} is not what was written`
      : undefined;
  }
  return undefined;

  /** What a kill cut short, and what a later server left of it, has no commit behind it: that would be written last. */
  function isFollowedByCommit(damaged: number): boolean {
    for (let frame = damaged + frameBytes; frame + frameBytes <= log.length; frame += frameBytes) {
      if (ofThisLog(frame) && log.readUInt32BE(frame + 4) !== 0) return true;
    }
    return false;
  }
}

/** After a power failure the disk may have some of the last writes and not those before them: SQLite goes back to those. */
function wasWrittenSinceBoot(path: string): boolean {
  return statSync(path).mtimeMs > Date.now() - uptime() * 1000;
}

function makeSum(log: Buffer, isBigEndian: boolean) {
  const word = (offset: number) => (isBigEndian ? log.readUInt32BE(offset) : log.readUInt32LE(offset));
  return (before: Checksum, { from, to }: { from: number; to: number }): Checksum => {
    let [first, second] = before;
    for (let offset = from; offset < to; offset += 8) {
      first = (first + word(offset) + second) >>> 0;
      second = (second + word(offset + 4) + first) >>> 0;
    }
    return [first, second];
  };
}

function isStoredAt(log: Buffer, offset: number, [first, second]: Checksum): boolean {
  return log.readUInt32BE(offset) === first && log.readUInt32BE(offset + 4) === second;
}

function readIfThere(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0); // there is none; whatever else it is, SQLite will say
  }
}

const newline = 10;

/** The last `count` lines of `text`. */
export function lastLines(text: Buffer, count: number): Buffer {
  const end = text.at(-1) === newline ? text.length - 1 : text.length;
  if (count === 0) return text.subarray(text.length);
  let before = end; // the newline before the lines wanted; -1: there is none
  for (let lines = 0; lines < count && before >= 0; lines++) {
    before = before === 0 ? -1 : text.lastIndexOf(newline, before - 1);
  }
  return text.subarray(before + 1);
}

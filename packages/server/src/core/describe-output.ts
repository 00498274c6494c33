/** How much of a program's output goes into the message of its end: the last lines, and of those the last bytes. */
export const messageLinesMax = 10;
export const messageBytesMax = 2_048;

/** Says what a program wrote last. `output` is the end of it. */
export function describeOutput(output: string): string {
  return output.trim() === "" ? "It wrote nothing." : `Its last output:\n${output.trimEnd()}`;
}

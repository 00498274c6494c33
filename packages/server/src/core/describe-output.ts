/** How much of a program's output goes into the message of its end: the last lines, and of those the last bytes. */
export const messageLinesMax = 10;
export const messageBytesMax = 2_048;

const announcement = "Its last output:\n";

/** Says what a program wrote last. `output` is the end of it. */
export function describeOutput(output: string): string {
  return output.trim() === "" ? "It wrote nothing." : `${announcement}${output.trimEnd()}`;
}

/** The message of an end in our own words alone. */
export function withoutOutput(message: string): string {
  const at = message.indexOf(announcement);
  return at < 0 ? message : message.slice(0, at).trimEnd();
}

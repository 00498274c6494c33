/**
 * Whether an image is one of those that a pattern names: `*` stands for any characters but `/`, `**` for any. All else is as it is
 * written, the registry and the tag too.
 */
export function matchesImage(pattern: string, image: string): boolean {
  const expression = pattern
    .split(/(\*+)/)
    .map((part) =>
      part.startsWith("*") ? (part === "*" ? "[^/]*" : ".*") : part.replace(/[\\^$.+?()[\]{}|]/g, "\\$&"),
    )
    .join("");
  return new RegExp(`^${expression}$`, "s").test(image);
}

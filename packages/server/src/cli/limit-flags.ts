import type { Option } from "commander";
import { numberFlag, parsedFlag } from "./flags.ts";

export const countRange = { least: 1, most: 1_000_000 };

/** Of every command that serves the API. */
export function userBackendsFlag(): Option {
  return numberFlag(
    "--user-backends-max <count>",
    "most sessions at once that one user of connect may have started (default: any number)",
    countRange,
  );
}

/** Of those whose callers choose images. */
export function imagesFlag(): Option {
  return parsedFlag(
    "--images <patterns>",
    "images that callers may choose, with commas in between: * is any but a slash, ** is any (default: all)",
    parseImages,
  );
}

function parseImages(text: string): string[] {
  const patterns = text.split(",").map((pattern) => pattern.trim());
  if (patterns.every((pattern) => /^[A-Za-z0-9._/:@*-]+$/.test(pattern))) return patterns;
  throw new RangeError("Images with commas in between are needed, such as registry.example.com/team/*,game:2.");
}

import type { Option } from "commander";
import { flag, numberFlag, parsedFlag, secondsRange, switchFlag } from "./flags.ts";

export const countRange = { least: 1, most: 1_000_000 };

/** Of every command that serves the API. */
export function userBackendsFlag(): Option {
  return numberFlag(
    "--user-backends-max <count>",
    "most sessions at once that one user of connect may have started (default: any number)",
    countRange,
  );
}

/** Of every command that serves the API, for backends that say nothing else. */
export function silentConnectionFlag(): Option {
  return numberFlag(
    "--silent-connection <seconds>",
    "time without data after which an open WebSocket is no client, pings apart (default: it is one until it closes)",
    secondsRange,
  );
}

/** Of every command that serves the API. `what`: a template is. */
export function templatesFlag(what: string): Option {
  return flag("--templates <folder>", `templates that callers can name: each NAME.yaml is ${what}`);
}

/** Of those whose callers choose images. */
export function imagesFlag(): Option {
  return parsedFlag(
    "--images <patterns>",
    "images that callers may choose, with commas in between: * is any but a slash, ** is any (default: all)",
    parseImages,
  );
}

export function templatesOnlyFlag(): Option {
  return switchFlag("--templates-only", "let callers choose no images: they name templates");
}

function parseImages(text: string): string[] {
  const patterns = text.split(",").map((pattern) => pattern.trim());
  if (patterns.every((pattern) => /^[A-Za-z0-9._/:@*-]+$/.test(pattern))) return patterns;
  throw new RangeError("Images with commas in between are needed, such as registry.example.com/team/*,game:2.");
}

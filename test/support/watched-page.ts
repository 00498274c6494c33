import type { Page } from "playwright-core";

export interface Watched {
  /** What a page's policy forbade. */
  readonly violations: string[];
  /** Where a connection token was seen that others can read. */
  readonly leaks: string[];
}

/** Notes what must not be seen of a page, from now on: both lists are to stay empty. */
export function watchPage(page: Page): Watched {
  const violations: string[] = [];
  const leaks: string[] = [];
  page.on("console", (message) => {
    if (/Content.Security.Policy/i.test(message.text())) violations.push(message.text());
  });
  page.on("request", (request) => {
    const { referer = "" } = request.headers();
    if (hasToken(referer)) leaks.push(`Referer of ${request.url()}`);
  });
  page.on("framenavigated", (frame) => {
    if (hasToken(frame.url())) leaks.push(`location ${frame.url()}`);
  });
  return { violations, leaks };
}

function hasToken(url: string): boolean {
  return url.includes("_spawner_token");
}

import type { RequestHead } from "../relay/index.ts";

/*
 * What a browser asks for, and from where. Browsers say so themselves (Fetch Metadata, https://www.w3.org/TR/fetch-metadata/); those
 * that do not are known by what they accept.
 */

/** A browser that opens a page, in a frame too, shows its URL: that is to be one without the token. */
export function isNavigation(head: RequestHead): boolean {
  if (head.method !== "GET" || head.upgrade !== undefined) return false;
  const mode = head.header("sec-fetch-mode");
  return mode === undefined ? takesPages(head) : mode === "navigate";
}

/** Whether a browser is to be shown a page of ours. */
export function isForPage(head: RequestHead): boolean {
  return isNavigation(head) && takesPages(head);
}

/** Whether a page of another site shows what is asked for in a frame. */
export function isEmbedded(head: RequestHead): boolean {
  return head.header("sec-fetch-site") === "cross-site" && /^i?frame$/.test(head.header("sec-fetch-dest") ?? "");
}

function takesPages(head: RequestHead): boolean {
  return (head.header("accept") ?? "").includes("text/html");
}

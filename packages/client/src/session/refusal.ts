import type { ErrorBody } from "../protocol.ts";
import { isErrorBody } from "../shapes.ts";

/** The gateway's, of these statuses. */
const refusalCodes = ["unauthorized", "backend_ended"] as const;

/** Nothing that the gateway says is longer; a program's answer may be. */
const refusalBytesMax = 16_384;

/** What the gateway said in place of the program about who may come in and whether anybody is there; undefined of all else. */
export async function refusalOf(response: Response): Promise<ErrorBody | undefined> {
  const { status, headers } = response;
  const isJson = headers.get("content-type")?.includes("json");
  const length = Number(headers.get("content-length") ?? Number.NaN);
  if ((status !== 401 && status !== 410) || !isJson || !(length <= refusalBytesMax)) return undefined;
  const body: unknown = await response
    .clone()
    .json()
    .catch(() => undefined);
  return isErrorBody(body, refusalCodes) ? body : undefined;
}

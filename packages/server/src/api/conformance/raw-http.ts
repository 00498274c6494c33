import { connect } from "node:net";

/** An answer as it came over the wire. */
export interface Answer {
  readonly status: number;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** False for a stream that we left before its end. */
  readonly isWhole: boolean;
}

/** How long an answer may take: above the server's own deadline for requests. */
const answerMs = 15_000;
/** A stream that says nothing for this long has nothing to say. */
const silenceMs = 100;

/**
 * Sends bytes as they are and resolves to the answer to them; a stream is left after its first event, or when it is silent.
 * Rejects where there is no answer, or one that is no HTTP.
 */
export function exchange(port: number, bytes: Buffer, { isHead }: { isHead: boolean }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port });
    let received = Buffer.alloc(0);
    const finish = (settle: () => void) => {
      clearTimeout(deadline);
      clearTimeout(silence);
      socket.removeAllListeners("close");
      socket.destroy();
      settle();
    };
    const fail = (what: string) =>
      finish(() => reject(new Error(`${what} after ${JSON.stringify(received.toString())}`)));
    const look = (isOver: boolean) => {
      try {
        const answer = parseAnswer(received, { isHead, isOver });
        if (answer !== undefined && (answer.isWhole || isOver)) finish(() => resolve(answer));
        else if (isOver) fail("no answer");
        else if (answer !== undefined && isStream(answer)) silence.refresh();
      } catch (error) {
        finish(() => reject(error));
      }
    };
    const deadline = setTimeout(() => fail("no answer in time"), answerMs);
    const silence = setTimeout(() => {
      const answer = parseAnswer(received, { isHead, isOver: false });
      if (answer !== undefined && isStream(answer)) finish(() => resolve(answer));
    }, silenceMs);
    socket.on("data", (part) => {
      received = Buffer.concat([received, part]);
      look(false);
    });
    // A server may answer and close before it has read all that was sent; the answer is what counts.
    socket.on("error", () => {});
    socket.on("close", () => look(true));
    socket.write(bytes);
  });
}

function isStream({ headers }: Answer): boolean {
  return headers["x-accel-buffering"] === "no";
}

/** Undefined until its head is there. Interim answers are passed over. */
function parseAnswer(bytes: Buffer, { isHead, isOver }: { isHead: boolean; isOver: boolean }): Answer | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [first = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const [, digits] = /^HTTP\/1\.1 ([1-5][0-9][0-9]) [ -~]+$/.exec(first) ?? [];
  if (digits === undefined) throw new Error(`no status line: ${JSON.stringify(first)}`);
  const status = Number(digits);
  const rest = bytes.subarray(end + 4);
  if (status < 200) return parseAnswer(rest, { isHead, isOver });
  const headers = parseFields(lines);
  const { body, isWhole } = bodyOf(rest, { headers, isHead: isHead || status === 204 || status === 304, isOver });
  return { status, headers, body: body.toString(), isWhole };
}

function parseFields(lines: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) throw new Error(`no header field: ${JSON.stringify(line)}`);
    const key = name.toLowerCase();
    if (fields[key] !== undefined) throw new Error(`the field ${key} comes twice`);
    fields[key] = value;
  }
  return fields;
}

function bodyOf(
  bytes: Buffer,
  { headers, isHead, isOver }: { headers: Record<string, string>; isHead: boolean; isOver: boolean },
): { body: Buffer; isWhole: boolean } {
  if (isHead) return { body: Buffer.alloc(0), isWhole: true };
  if (headers["transfer-encoding"] === "chunked") return unchunk(bytes);
  const length = headers["content-length"];
  if (length === undefined) return { body: bytes, isWhole: isOver };
  return { body: bytes.subarray(0, Number(length)), isWhole: bytes.length >= Number(length) };
}

function unchunk(bytes: Buffer): { body: Buffer; isWhole: boolean } {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return { body: Buffer.concat(parts), isWhole: false };
    const line = bytes.subarray(at, lineEnd).toString("latin1");
    if (!/^[0-9a-f]+$/i.test(line)) throw new Error(`no chunk size: ${JSON.stringify(line)}`);
    const size = Number.parseInt(line, 16);
    if (size === 0)
      return { body: Buffer.concat(parts), isWhole: bytes.subarray(lineEnd).toString("latin1") === "\r\n\r\n" };
    const start = lineEnd + 2;
    if (bytes.length < start + size + 2) return { body: Buffer.concat(parts), isWhole: false };
    parts.push(bytes.subarray(start, start + size));
    at = start + size + 2;
  }
}

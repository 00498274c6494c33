// Clients and servers that nobody here wrote, first directly and then through a gateway and a relay host: it has to be the same.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { Client } from "undici";
import { describe, expect, test } from "vitest";
import { openBothRelays } from "../support/both-relays.ts";
import { compile, has, type Server, servers, startNginx } from "../support/interop/programs.ts";

const exec = promisify(execFile);

/** What a client gets of a server directly, and what through the relays. */
async function compare<Result>(server: Server, ask: (base: string) => Promise<Result>): Promise<[Result, Result]> {
  const direct = await ask(`http://127.0.0.1:${server.port}`);
  const { url } = await openBothRelays(server);
  return [direct, await ask(url)];
}

const summary = (body: Buffer) =>
  body.length > 200 ? `${body.length} bytes, ${createHash("sha256").update(body).digest("hex")}` : body.toString();

async function askByUndici(base: string): Promise<unknown[]> {
  const { origin, pathname } = new URL(base);
  const prefix = pathname === "/" ? "" : pathname;
  const client = new Client(origin, { pipelining: 5 });
  const ask = async (path: string, options: { method?: string; body?: Readable | string; headers?: object } = {}) => {
    const hints: unknown[] = [];
    const { statusCode, headers, body, trailers } = await client.request({
      method: "GET",
      ...options,
      path: prefix + path,
      headers: { ...options.headers },
      onInfo: ({ statusCode, headers }: { statusCode: number; headers: object }) => hints.push(statusCode, headers),
    } as Parameters<typeof client.request>[0]);
    const got = summary(Buffer.from(await body.arrayBuffer()));
    const { date: _date, "keep-alive": _hop, ...kept } = headers;
    return { path, hints, statusCode, headers: kept, got, trailers };
  };
  try {
    return await Promise.all([
      ask("/hello?a=%20b&&c"),
      ask("/file", { method: "HEAD" }),
      ask("/file"),
      ask("/file", { headers: { range: "bytes=10-99" } }),
      ask("/file", { headers: { "if-none-match": '"v1"' } }),
      ask("/trailers"),
      ask("/hints"),
      ask("/nothing"),
      ask("/events"),
      ask("/no-such-thing"),
      ask("/sum", { method: "PUT", body: "x".repeat(1_000_000) }),
      ask("/sum", { method: "POST", body: Readable.from(["in ", "chunks"]) }),
    ]);
  } finally {
    await client.close();
  }
}

async function askByCurl(base: string): Promise<string[]> {
  const asks: Readonly<Record<string, readonly string[]>> = {
    hello: ["/hello?a=%20b&&c"],
    "the old protocol": ["/hello", "--http1.0"],
    "a head": ["/file", "--head"],
    "a file": ["/file"],
    ranges: ["/file", "--range", "10-99"],
    "what is known": ["/file", "-H", 'If-None-Match: "v1"'],
    trailers: ["/trailers", "-H", "TE: trailers", "-H", "Connection: TE"],
    hints: ["/hints"],
    nothing: ["/nothing"],
    events: ["/events", "--no-buffer"],
    "to the end": ["/to-the-end"],
    "an upload": ["/sum", "--data-binary", "x".repeat(100_000)],
    "an upload with leave": [
      "/sum",
      "--data-binary",
      "with leave",
      "-H",
      "Expect: 100-continue",
      "--expect100-timeout",
      "10",
    ],
    "an upload in chunks": ["/sum", "--data-binary", "in chunks", "-H", "Transfer-Encoding: chunked"],
  };
  const results: string[] = [];
  for (const [what, [path = "", ...options]] of Object.entries(asks)) {
    const { stdout } = await exec(
      "curl",
      ["-s", "-S", "-i", "--max-time", "20", "--path-as-is", ...options, base + path],
      {
        encoding: "buffer",
        maxBuffer: 10_000_000,
      },
    );
    const end = stdout.lastIndexOf("\r\n\r\n") + 4;
    const head = stdout.toString("latin1", 0, end).replace(/^(date|keep-alive): .*\r\n/gim, "");
    results.push(`${what}: ${head}${summary(stdout.subarray(end))}`);
  }
  return results;
}

async function askByGo(base: string): Promise<string[]> {
  const { stdout } = await exec(compile("client"), [base]);
  return stdout.trim().split("\n");
}

const clients = { undici: askByUndici, curl: askByCurl, "Go's net/http": askByGo };
const needs: Readonly<Record<string, string>> = { "Go's net/http": "go", curl: "curl" };
const isHere = (name: string) => needs[name] === undefined || has(needs[name]);

describe.each(Object.entries(servers))("a server of %s", (serverName, start) => {
  test.skipIf(!isHere(serverName)).each(Object.entries(clients).filter(([name]) => isHere(name)))(
    "answers a client of %s the same",
    { timeout: 120_000 },
    async (_name, ask) => {
      const [direct, relayed] = await compare<unknown[]>(await start(), ask);
      expect(relayed).toEqual(direct);
      expect(relayed.length).toBeGreaterThan(10);
    },
  );
});

// Installed from Debian's packages where this project is tested; skipped where it is not.
describe.skipIf(!has("nginx"))("nginx", () => {
  const files = {
    hello: "hello\n",
    "text.txt": "compress me ".repeat(1_000),
    file: Buffer.alloc(3_000_000, "0123456789"),
  };

  test.skipIf(!has("curl"))("serves files, ranges and compressed text to curl the same", async () => {
    const asks = [
      ["/hello"],
      ["/file"],
      ["/file", "--head"],
      ["/file", "--range", "5-14"],
      ["/file", "--range", "0-3,10-19,-5"],
      ["/text.txt", "--compressed"],
      ["/text.txt", "-H", "Accept-Encoding: gzip"],
      ["/nothing"],
      ["/none"],
      ["/hello", "-X", "DELETE"],
      ["/hello", "--http1.0"],
    ];
    const [direct, relayed] = await compare(await startNginx(files), async (base) => {
      const results: string[] = [];
      for (const [path = "", ...options] of asks) {
        const { stdout } = await exec("curl", ["-s", "-S", "-i", ...options, base + path], {
          encoding: "buffer",
          maxBuffer: 10_000_000,
        });
        const text = stdout.toString("latin1").replace(/^date: .*\r\n/gim, "");
        results.push(summary(Buffer.from(text.replace(/[0-9]{20}\b/g, "BOUNDARY"), "latin1")));
      }
      return results;
    });
    expect(relayed).toEqual(direct);
  });

  test("is redirected by under the prefix of its session", async () => {
    const { url } = await openBothRelays(await startNginx(files));
    const answer = await fetch(`${url}/moved`);
    expect([answer.url, await answer.text()]).toEqual([`${url}/hello`, "hello\n"]);
  });
});

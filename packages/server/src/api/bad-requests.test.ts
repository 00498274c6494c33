import { errorCodes } from "@spawner/client";
import { describe, expect, test } from "vitest";
import { deadlines } from "../core/deadlines.ts";
import { converse, errorIn, startApi } from "./fixture.ts";

const json = { "content-type": "application/json" };
const manyVariables = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`A${index}`, ""]));

const bodies: [name: string, body: string, status: number, message: RegExp, headers?: Record<string, string>][] = [
  ["no JSON", "image: x", 400, /not JSON/],
  ["nothing", "", 400, /empty; a JSON object is needed/],
  ["half an object", '{"image":', 400, /not JSON/],
  ["an array", "[]", 400, /body must be an object; \[\] was given/],
  ["null", "null", 400, /body must be an object; null was given/],
  ["a number", "5", 400, /body must be an object; 5 was given/],
  ["no content type", "{}", 415, /application\/json/, {}],
  ["another content type", "{}", 415, /application\/json/, { "content-type": "text/plain" }],
  ["a number for an image", '{"image":5}', 400, /image must be a string; 5 was given/],
  ["an empty image", '{"image":""}', 400, /image must not be empty; "" was given/],
  ["an unknown template", '{"image":"other"}', 400, /no template.*"other".*"default"/],
  ["an image of a megabyte", `{"image":"${"x".repeat(600_000)}"}`, 400, /image must have at most 512 characters/],
  ["an unknown field", '{"imagee":"x"}', 400, /unknown field "imagee"; known are image, template, port, env/],
  ["a prototype", '{"__proto__":{"image":"x"}}', 400, /must not have the name "__proto__"/],
  ["a prototype in disguise", '{"env":{"\\u005f_proto__":"x"}}', 400, /must not have the name "__proto__"/],
  ["a constructor", '{"constructor":{"prototype":{"image":"x"}}}', 400, /unknown field "constructor"/],
  ["32 levels", `{"image":${"[".repeat(31)}${"]".repeat(31)}}`, 400, /image must be a string; \[\[/],
  ["33 levels", `{"image":${"[".repeat(32)}${"]".repeat(32)}}`, 400, /nested 32 levels deep at most/],
  ["a stack's worth of levels", `{"image":${"[".repeat(400_000)}${"]".repeat(400_000)}}`, 400, /nested 32 levels/],
  ["a comma too many", '{"env":{"KEY":"secret",}}', 400, /^The body is not JSON: see its character 24\.$/],
  ["a word", '{"env":secret}', 400, /^The body is not JSON(: see its character \d+)?\.$/],
  [
    "another charset",
    "{}",
    415,
    /in UTF-8; "latin1" was given as its charset/,
    { "content-type": "application/json; charset=latin1" },
  ],
  [
    "a quoted charset behind another parameter",
    "{}",
    415,
    /in UTF-8; "utf-16" was given/,
    { "content-type": 'application/json; a="b; c"; CHARSET="utf-16"' },
  ],
  ["gzip", "{}", 415, /must not be encoded; "gzip"/, { ...json, "content-encoding": "gzip" }],
  ["1,001 variables", JSON.stringify({ env: manyVariables(1_001) }), 400, /env must .*1000/],
  ["a variable's name of 1,025 characters", `{"env":{"${"A".repeat(1025)}":""}}`, 400, /env must not have the name/],
  ["a port in words", '{"port":"80"}', 400, /port must be a whole number; "80" was given/],
  ["a negative port", '{"port":-1}', 400, /port must be at least 0; -1 was given/],
  ["a port too high", '{"port":70000}', 400, /port must be at most 65535; 70000 was given/],
  ["half a port", '{"port":80.5}', 400, /port must be a whole number; 80.5 was given/],
  ["a negative grace period", '{"gracePeriodSeconds":-1}', 400, /gracePeriodSeconds must be at least 0; -1 was given/],
  ["a lifetime of nothing", '{"lifetimeSeconds":0}', 400, /lifetimeSeconds must be at least 1; 0 was given/],
  [
    "a number that is none any more",
    '{"gracePeriodSeconds":1e999}',
    400,
    /gracePeriodSeconds must be a whole number; a number out of range was given/,
  ],
  ["such numbers in a list", '{"image":[1e999,-1e999]}', 400, /must be a string; \["Infinity","-Infinity"\] was given/],
  [
    "a program that may go on for days after its end",
    '{"terminationGracePeriodSeconds":86401}',
    400,
    /terminationGracePeriodSeconds must be at most 86400/,
  ],
  ["an endless grace period", '{"gracePeriodSeconds":1e300}', 400, /gracePeriodSeconds must be at most 315360000/],
  ["a number in the environment", '{"env":{"A":1}}', 400, /env\.A must be a string; a number was given/],
  ["an environment that is a list", '{"env":[]}', 400, /env must be an object; an array was given/],
  ["a name with =", '{"env":{"A=B":"x"}}', 400, /env must not have the name "A=B".*without "="/],
  ["an empty name", '{"env":{"":"x"}}', 400, /env must not have the name ""/],
  ["a name outside ASCII", '{"env":{"Ä":"x"}}', 400, /env must not have the name "Ä"/],
  ["a value with NUL", '{"env":{"A":"x\\u0000"}}', 400, /env\.A must not have a zero byte; a string was given/],
  [
    "half a surrogate pair",
    '{"env":{"A":"x\\ud800"}}',
    400,
    /^env\.A must be Unicode.*surrogate.*; a string was given\.$/,
  ],
  [
    "a variable longer than Linux hands to a program",
    JSON.stringify({ env: { LONG: "x".repeat(131_067) } }),
    400,
    /^env\.LONG must have at most 131071 bytes as NAME=value; 131072 were given\.$/,
  ],
  [
    "a variable that is longer in bytes than in characters",
    JSON.stringify({ env: { LONG: "é".repeat(70_000) } }),
    400,
    /^env\.LONG must have at most 131071 bytes as NAME=value; 140005 were given\.$/,
  ],
  ["a name that Spawner sets", '{"env":{"PORT":"1"}}', 400, /"PORT".*set by Spawner/],
  ["another name that Spawner sets", '{"env":{"SPAWNER_BACKEND":"1"}}', 400, /"SPAWNER_BACKEND".*set by Spawner/],
];

describe("a spawn request is refused with what is wrong and what is needed, and nothing is started:", () => {
  test.each(bodies)("%s", async (_, body, status, message, headers = json) => {
    const { post, engine } = await startApi();
    // Strings get a content type from fetch itself; bytes do not.
    const response = await post(body, headers);
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      code: expect.toSatisfy((code) => errorCodes.includes(code)),
      message: expect.stringMatching(message),
    });
    expect((await engine.backends.list()).items).toEqual([]);
  });

  test("an environment of more than 1 MiB, each variable of which is small enough", async () => {
    const { post, engine } = await startApi({ bodyBytesMax: 4 * 1024 * 1024 });
    const env = (bytes: number) =>
      JSON.stringify({
        env: Object.fromEntries(
          Array.from({ length: 16 }, (_, index) => [`A${index % 10}${index}`, "x".repeat(bytes)]),
        ),
      });
    const response = await post(env(65_531));
    expect([response.status, await response.json()]).toMatchObject([
      400,
      {
        message: "env must have at most 1048576 bytes in all, as NAME=value and a byte each; 1048582 were given.",
      },
    ]);
    expect((await engine.backends.list()).items).toEqual([]);
    expect((await post(env(65_530))).status).toBe(200);
  });

  test.each(["utf-8", '"UTF-8"', "utf8"])("but not a body that is said to be of the charset %s", async (charset) => {
    const { post } = await startApi();
    expect((await post("{}", { "content-type": `application/json; charset=${charset}` })).status).toBe(200);
  });

  test("a body that is not UTF-8", async () => {
    const { url } = await startApi();
    const body = Buffer.from('{"env":{"A":"\xff"}}', "latin1");
    const response = await fetch(`${url}/spawn`, { method: "POST", headers: json, body });
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { message: "The body is not JSON: it is not UTF-8." },
    ]);
  });

  test("a body of 10 MB that comes anyway: it is taken, so that the answer is not lost", async () => {
    const { port } = await startApi();
    const { write, until } = converse(port);
    write("POST /spawn HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 10485760\r\n\r\n");
    write("x".repeat(10_485_760));
    await until(/^HTTP\/1\.1 413 .*body_too_large/s);
    write("GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n");
    await until(/HTTP\/1\.1 413 .*HTTP\/1\.1 200 OK/s);
  });

  test("a body of 10 MB", async () => {
    const { raw } = await startApi();
    const head = "POST /spawn HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 10485760\r\n";
    expect(errorIn(await raw(`${head}connection: close\r\n\r\n`))).toMatchObject({
      status: 413,
      code: "body_too_large",
      message: expect.stringContaining("1048576"),
    });
  });

  test("a body shorter than its Content-Length, within the deadline", async () => {
    const { raw } = await startApi();
    const startMs = performance.now();
    const head = "POST /spawn HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{}";
    expect(errorIn(await raw(head))).toMatchObject({
      status: 408,
      code: "timeout",
      message: expect.stringContaining("Content-Length"),
    });
    expect(performance.now() - startMs).toBeLessThan(deadlines.requestMs + 5_000);
  });

  test("no body at all", async () => {
    const { raw } = await startApi();
    const answer = errorIn(await raw("POST /spawn HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"));
    expect(answer).toMatchObject({
      status: 400,
      code: "invalid_request",
      message: expect.stringContaining("body must be an object; null was given"),
    });
  });

  test("one too many", async () => {
    const { post } = await startApi({ backendsMax: 1 });
    expect((await post("{}")).status).toBe(200);
    const response = await post("{}");
    expect(response.status).toBe(429);
    expect(response.headers.get("retry-after")).toBe("5");
    expect(await response.json()).toMatchObject({ code: "too_many_backends" });
  });
});

describe("what is no route, no id or no HTTP gets an error that says so:", () => {
  const get = (target: string) => `GET ${target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`;
  test.each([
    ["an unknown route", get("/nothing"), 404, "not_found", /no route GET \/nothing/],
    ["a trailing slash", get("/backend/b4x/status/"), 404, "not_found", /no route/],
    ["a wrong method", get("/spawn"), 405, "method_not_allowed", /POST is/],
    ["an unknown id", get("/backend/b4xb4xb4xb/status"), 404, "not_found", /no backend "b4xb4xb4xb"/],
    ["an id with dots", get("/backend/../status"), 404, "not_found", /no/],
    ["an encoded slash", get("/backend/a%2Fb/ready"), 404, "not_found", /no backend "a\/b"/],
    ["an id in upper case", get("/backend/B4X/status"), 404, "not_found", /no backend "B4X"/],
    ["an id outside ASCII, encoded", get("/backend/%C3%A9/status"), 404, "not_found", /no backend "é"/],
    ["an id outside ASCII, bare", Buffer.from(get("/backend/é/status")), 400, "invalid_request", /not HTTP/],
    ["a bad encoding", get("/backend/%zz/status"), 400, "invalid_request", /%zz|url/i],
    ["an endless id", get(`/backend/${"x".repeat(5_000)}/status`), 404, "not_found", /./],
    ["an endless stream of an unknown id", get("/backend/b4x/status/stream"), 404, "not_found", /no backend/],
    ["a limit in words", get("/backends?limit=abc"), 400, "invalid_request", /limit must be a whole number; "abc"/],
    ["a limit too high", get("/backends?limit=501"), 400, "invalid_request", /limit must be at most 500; 501/],
    [
      "a watch in pages",
      get("/backends?watch=true&limit=2"),
      400,
      "invalid_request",
      /without pages: limit must be left/,
    ],
    [
      "no page's token",
      get("/backends?continue=zz"),
      400,
      "invalid_request",
      /^continue must be .*; "zz" was given\.$/,
    ],
    ["an unknown query", get("/backends?lim=1"), 400, "invalid_request", /unknown field "lim"/],
    ["no HTTP", "HELLO\r\n\r\n", 400, "invalid_request", /not HTTP\/1.1/],
    [
      "no Host",
      "GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n",
      400,
      "invalid_request",
      /one Host field; none was/,
    ],
    ["two Hosts", get("/healthz").replace("host", "host: b\r\nHost"), 400, "invalid_request", /one Host field; 2 were/],
    ["HTTP/2.0", get("/healthz").replace("1.1", "2.0"), 505, "version_not_supported", /HTTP\/2\.0 was given/],
    ["HTTP/0.9", get("/healthz").replace("1.1", "0.9"), 505, "version_not_supported", /HTTP\/0\.9 was given/],
    [
      "a coding that is not undone",
      `${get("/healthz").slice(0, -2)}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
      501,
      "not_implemented",
      /"gzip, chunked"/,
    ],
    ["CONNECT", "CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n", 501, "not_implemented", /CONNECT/],
    [
      "a method that must have a body",
      get("/spawn").replace("GET", "QUERY"),
      405,
      "method_not_allowed",
      /QUERY is not/,
    ],
    ["an encoded wrong method", get("/%73pawn"), 405, "method_not_allowed", /POST is/],
    ["two slashes", get("//backends"), 404, "not_found", /no route/],
    ["another case", get("/Backends"), 404, "not_found", /no route/],
    ["one number twice", get("/backends?limit=1&limit=2"), 400, "invalid_request", /limit must be a whole number/],
    [
      "a label selector without a label",
      get("/backends?label=a=b&label==b"),
      400,
      "invalid_request",
      /^label\[1\] must be a label selector: name=value, .* is needed; "=b" was given\.$/,
    ],
    [
      "a set that is open",
      get("/backends?label=a+in+(b,c"),
      400,
      "invalid_request",
      /label selector.*; "a in \(b,c" was/,
    ],
    [
      "a query that is not percent-encoded",
      get("/backends?label=a%zz"),
      400,
      "invalid_request",
      /query must be UTF-8, percent-encoded; "label=a%zz" was/,
    ],
    [
      "a query that is not UTF-8",
      get("/backends?continue=%ff"),
      400,
      "invalid_request",
      /query must be UTF-8, percent-encoded/,
    ],
    ["33 labels", get(`/backends?${"label=a=1&".repeat(33)}`), 400, "invalid_request", /label must have at most 32/],
    ["a head without end", `GET / HTTP/1.1\r\nx: ${"y".repeat(100_000)}`, 431, "head_too_large", /./],
  ] as const)("%s", async (_, request, status, code, message) => {
    const { raw } = await startApi();
    const answer = errorIn(await raw(request as string));
    expect(answer).toMatchObject({ status, code, id: expect.any(String), message: expect.stringMatching(message) });
  });

  test("and is no error in the log, also where its status is above 500: anybody could fill that", async () => {
    const levels: string[] = [];
    const at = (level: string) => () => void levels.push(level);
    const log = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
    const { raw } = await startApi({ log });
    const head = get("/healthz");
    await raw(`${head.slice(0, -2)}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`);
    await raw(head.replace("1.1", "2.0"));
    expect(levels).toEqual(["debug", "debug"]);
  });

  test.each(["POST /nothing", "PUT /spawn"])("%s: its body is not even looked at", async (line) => {
    const { raw } = await startApi();
    const head = `${line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n`;
    expect([404, 405]).toContain(errorIn(await raw(`${head}content-length: 5\r\n\r\n{"a":`)).status);
    expect([404, 405]).toContain(errorIn(await raw(`${head}content-length: 99999999\r\n\r\n`)).status);
  });

  test("a wrong method names the right one", async () => {
    const { url } = await startApi();
    expect((await fetch(`${url}/spawn`)).headers.get("allow")).toBe("POST");
    expect((await fetch(`${url}/backend/b4x`, { method: "PUT" })).headers.get("allow")).toBe("GET, HEAD, DELETE");
  });

  test("another Host, where only some are allowed", async () => {
    const { raw } = await startApi({ allowedHosts: ["localhost"] });
    const ask = (host: string) => raw(`GET /healthz HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
    expect(errorIn(await ask("evil.example:80"))).toMatchObject({ status: 403, code: "forbidden_host" });
    expect(await ask("LOCALHOST:1234")).toContain("200 OK");
    // RFC 9112 3.2.2: the host in the target is the one that counts.
    const askFully = (url: string, host: string) =>
      raw(`GET ${url} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
    expect(errorIn(await askFully("http://evil.example/healthz", "localhost"))).toMatchObject({ status: 403 });
    expect(await askFully("http://localhost:1234/healthz", "evil.example")).toContain("200 OK");
  });
});

test("who asks for what is no route is told where the document of those there are is, as clients see it", async () => {
  const { raw } = await startApi();
  const answer = await raw("GET /none HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  expect(errorIn(answer).message).toBe(
    "There is no route GET /none; http://api.example/openapi.json lists those there are.",
  );
});

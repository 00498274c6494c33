import type { Stream } from "./reading.ts";

/** Numbers from 0 to 1. */
export type Random = () => number;

/** A stream of messages, most of them nearly well-formed: by a grammar, then damaged in two cases of five. */
export function generate(random: Random): Stream {
  const choose = choices(random);
  const kind = choose.chance(0.65) ? "request" : "response";
  const methods = Array.from({ length: 3 }, () => choose.from(["GET", "GET", "OPTIONS", "HEAD"]));
  const requests = Buffer.from(methods.map((method) => `${method} / HTTP/1.1\r\nHost: a\r\n\r\n`).join(""));
  const count = choose.from([1, 1, 2, 3]);
  let text = "";
  for (let index = 0; index < count; index += 1) text += kind === "request" ? request(choose) : response(choose);
  if (choose.chance(0.4)) {
    for (let round = choose.from([1, 1, 1, 2, 3]); round > 0; round -= 1) text = mutate(text, choose);
  }
  const bytes = Buffer.from(text, "latin1");
  return { kind, bytes, requests, cuts: cutsOf(bytes.length, choose) };
}

type Choices = ReturnType<typeof choices>;

function choices(random: Random) {
  const below = (bound: number) => Math.floor(random() * bound);
  return {
    below,
    chance: (share: number) => random() < share,
    from: <T>(items: readonly T[]): T => items[below(items.length)] as T,
  };
}

function cutsOf(length: number, choose: Choices): number[] {
  if (choose.chance(0.05)) return Array.from({ length: Math.min(length, 600) }, (_, index) => index);
  return Array.from({ length: choose.from([0, 1, 2, 4]) }, () => choose.below(length + 1)).sort((a, b) => a - b);
}

const methodNames = ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "GET", "POST", "POST"];
const oddMethodNames = [
  "CONNECT",
  "get",
  "FOO",
  "PRI",
  "SOURCE",
  "DESCRIBE",
  "M-SEARCH",
  "TRACE",
  "QUERY",
  "!#$",
  "GE T",
  "",
];
const targets = ["/", "/a?b=c", "/", "*", "http://a/b", "/%zz", "/a#b"];
const oddTargets = ["a", "/\xe4", "//", "/ /", "", "/a\tb", "http://", "://", "/\0", "a:80", "?", "/a HTTP/1.1"];
const versions = ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"];
const oddVersions = [
  "HTTP/1.2",
  "HTTP/2.0",
  "HTTP/0.9",
  "HTTP/1.10",
  "http/1.1",
  "HTTP/11",
  "HTTP/01.1",
  "HTTP/1,1",
  "ICE/1.0",
  "",
];
const lineEnds = ["\n", "\r", "\r\r\n", "\n\r", " \r\n", "\r\n ", "\0\r\n"];

function request(choose: Choices): string {
  const line = [
    choose.from(choose.chance(0.95) ? methodNames : oddMethodNames),
    choose.from(choose.chance(0.95) ? targets : oddTargets),
    choose.from(choose.chance(0.97) ? versions : oddVersions),
  ].join(" ");
  const before = choose.chance(0.05) ? choose.from(["\r\n", "\r\n\r\n", "\n", "\r", " "]) : "";
  return `${before}${line}${message(choose, choose.chance(0.97) ? ["Host: a"] : choose.from([[], ["Host: a", "Host: b"]]))}`;
}

const statuses = [
  "200",
  "200",
  "200",
  "404",
  "204",
  "304",
  "100",
  "103",
  "101",
  "500",
  "199",
  "099",
  "1000",
  "20",
  "2x0",
];
const reasons = [" OK", " OK", " OK", "", " ", "  a b", " \xe4", " \0", "\t"];

function response(choose: Choices): string {
  const version = choose.from(choose.chance(0.97) ? versions : oddVersions);
  const status = choose.chance(0.5) ? "200" : choose.from(statuses);
  return `${version} ${status}${choose.from(reasons)}${message(choose, [])}`;
}

/** From the end of the first line on. */
function message(choose: Choices, fields: readonly string[]): string {
  const framed = framing(choose);
  const all = [...fields, ...framed.fields];
  for (let count = choose.from([0, 0, 1, 2, 4]); count > 0; count -= 1) {
    all.splice(choose.below(all.length + 1), 0, choose.from(choose.chance(0.92) ? plainFields : oddFields));
  }
  const lineEnd = () => (choose.chance(0.003) ? choose.from(lineEnds) : "\r\n");
  return `${lineEnd()}${all.map((field) => field + lineEnd()).join("")}${lineEnd()}${framed.body}`;
}

const plainFields = [
  "Connection: close",
  "Connection: keep-alive",
  "Connection: Upgrade",
  "Connection: upgrade, HTTP2-Settings",
  "Upgrade: websocket",
  "Upgrade: h2c",
  "Accept: */*",
  "X-A:b",
  "X-Empty:",
  "Cookie: a=b; c=d",
  "Expect: 100-continue",
  "X-Bytes: \x80\xff",
  "TE: trailers",
  "Trailer: X-T",
];
const oddFields = [
  "Connection: close, keep-alive",
  "Connection: keep-alive,close",
  "Connection:close\t",
  "Connection: \tclose ",
  "Connection: close;q=1",
  "Connection: close x",
  "Connection: x close",
  "Connection: ,close",
  "Connection: clos\xe9",
  "Connection: \xa0close",
  "Connection: keep-alive\xa0",
  "Connection: upgrade,close",
  "Connection:",
  "Proxy-Connection: close",
  "Proxy-Connection: keep-alive",
  "Keep-Alive: timeout=0",
  "X-A : b",
  " X-Fold: b",
  "X-A",
  ": b",
  "X A: b",
  "X-A: \0",
  "X-A: a\rb",
  "X-A: \x7f",
  "X\xe4: b",
  "X-A(: b",
  'X-A": b',
  "X-\x00: b",
  "Content-Length : 3",
  "Transfer-Encoding : chunked",
  "Content_Length: 3",
  "Content-Length\t: 3",
  "Transfer-Encoding\0: chunked",
  "X: a\r\n\tfold",
  `X-Long: ${"a".repeat(300)}`,
];

function framing(choose: Choices): { fields: string[]; body: string } {
  const data = choose.from(["", "a", "hello", "0\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n", "\0\xff"]);
  const kind = choose.from(framings);
  switch (kind) {
    case "none":
      return { fields: [], body: "" };
    case "length":
      return { fields: [`Content-Length: ${data.length}`], body: data };
    case "chunked":
      return { fields: ["Transfer-Encoding: chunked"], body: chunkedBody(choose) };
    case "odd chunks":
      return { fields: [`Transfer-Encoding: ${choose.from(["chunked", "Chunked"])}`], body: oddChunkedBody(choose) };
    case "odd length":
      return { fields: [`${spelling("Content-Length", choose)}:${lengthOf(data, choose)}`], body: data };
    case "odd encoding":
      return {
        fields: [`${spelling("Transfer-Encoding", choose)}:${choose.from(encodings)}`],
        body: chunkedBody(choose),
      };
    case "length and encoding": {
      const fields = [`Transfer-Encoding:${choose.from(encodings)}`, `Content-Length:${lengthOf(data, choose)}`];
      if (choose.chance(0.5)) fields.reverse();
      return { fields, body: choose.chance(0.5) ? data : chunkedBody(choose) };
    }
    case "two lengths": {
      const [one, other] = [lengthOf(data, choose), lengthOf(data, choose)];
      return { fields: [`Content-Length:${one}`, `Content-Length:${other}`], body: data };
    }
    default:
      return kind satisfies never;
  }
}

const framings = [
  ...([
    "none",
    "none",
    "none",
    "length",
    "length",
    "length",
    "chunked",
    "chunked",
    "odd chunks",
    "odd chunks",
  ] as const),
  ...(["odd chunks", "odd length", "odd length", "odd encoding", "length and encoding", "two lengths"] as const),
];

function spelling(name: string, choose: Choices): string {
  return choose.from([
    name,
    name,
    name.toLowerCase(),
    name.toUpperCase(),
    `${name} `,
    name.replace("-", "_"),
    ` ${name}`,
  ]);
}

const encodings = [
  " chunked",
  " chunked",
  "chunked",
  " CHUNKED",
  " chunked ",
  " chunked\t",
  "\tchunked",
  " \t chunked \t ",
  " chunked,",
  " ,chunked",
  " chunked, chunked",
  " chunked, identity",
  " gzip, chunked",
  " identity",
  " gzip",
  "",
  " x",
  " xchunked",
  " chunkedx",
  " chunked;q=1",
  ' "chunked"',
  " chun ked",
  " chunked\0",
  "\x0bchunked",
  " chunked\x0c",
  " chunked\r\nTransfer-Encoding: chunked",
  " chunked\r\nTransfer-Encoding: identity",
  " \xa0chunked",
];

function lengthOf(data: string, choose: Choices): string {
  const { length } = data;
  return choose.from([
    ` ${length}`,
    ` ${length}`,
    ` ${length}`,
    `${length}`,
    ` 00${length}`,
    ` +${length}`,
    ` -${length}`,
    ` 0x${length.toString(16)}`,
    ` 0o${length.toString(8)}`,
    ` ${length} `,
    `\t${length}\t`,
    ` ${length},${length}`,
    ` ${length}, ${length + 1}`,
    ` ${length}.0`,
    ` ${length}e0`,
    ` ${length} ${length}`,
    ` ${length}x`,
    ` "${length}"`,
    "",
    " ",
    ` ${choose.from(hugeNumbers)}`,
    ` ${"0".repeat(40)}${length}`,
    ` ${length + 1}`,
    ` ${Math.max(length - 1, 0)}`,
    " \xb2",
  ]);
}

const hugeNumbers = [
  "9007199254740991",
  "9007199254740992",
  "4294967296",
  "4294967297",
  "18446744073709551615",
  "18446744073709551616",
  "18446744073709551621",
  "9".repeat(60),
];

function chunkedBody(choose: Choices): string {
  let body = "";
  for (let count = choose.from([0, 1, 1, 2]); count > 0; count -= 1) {
    const data = choose.from(["a", "hello", "0\r\n\r\n", "\r\n"]);
    body += `${data.length.toString(16)}\r\n${data}\r\n`;
  }
  return `${body}0\r\n\r\n`;
}

function oddChunkedBody(choose: Choices): string {
  let body = "";
  for (let count = choose.from([0, 1, 1, 2, 3]); count > 0; count -= 1) {
    const data = choose.from(["a", "hello", "0\r\n\r\n", "\r\n", "GET / HTTP/1.1\r\n\r\n"]);
    body += `${sizeOf(data, choose)}${extension(choose)}\r\n${data}\r\n`;
  }
  return `${body}${choose.from(["0", "0", "0", "00", "000000000000000000", ""])}${extension(choose)}\r\n${trailer(choose)}\r\n`;
}

function sizeOf({ length }: string, choose: Choices): string {
  const hex = length.toString(16);
  if (choose.chance(0.8)) return hex;
  const odd = [
    hex.toUpperCase(),
    `0${hex}`,
    `${"0".repeat(13)}${hex}`,
    `0x${hex}`,
    `+${hex}`,
    `-${hex}`,
    ` ${hex}`,
    `${hex} `,
  ];
  const huge = ["fffffffffffff", "10000000000000", "ffffffffffffffff", "10000000000000000", `1${"0".repeat(15)}${hex}`];
  return choose.from([...odd, ...huge, `${hex}\t`, `${hex}g`, "", `${hex}.`, `${length + 1}`]);
}

const extensions = [
  ";a",
  ";a=b",
  ';a="b"',
  ';a="b;c"',
  ';a="\\""',
  ";a;b=c",
  ";",
  ";;",
  ";=",
  ";a=",
  ";=b",
  "; a",
  ";a ",
  " ;a",
  ";a = b",
  ";a b",
  ';a="b',
  ';a="b"c',
  ';"a"',
  ";a=b=c",
  ";a\tb",
  ";\xe4",
  ";a=\xe4",
  ';a="\xe4"',
  ";a\0",
  ";a\n",
  ";a\r",
  ";a=b\x7f",
  ';a="b\tc"',
  ';a="\x01"',
  ";a=/",
  ";a/b",
  ";a=@",
  `;${"a".repeat(300)}`,
];

function extension(choose: Choices): string {
  return choose.chance(0.75) ? "" : choose.from(extensions);
}

const trailers = [
  "X-T: a",
  "X-T:",
  "Content-Length: 5",
  "Content-Length: x",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: gzip",
  "Connection: close",
  "Connection: upgrade",
  "Upgrade: x",
  "Host: b",
  "X-T : a",
  " a",
  "a",
  ":",
  "X-T: a\0",
  "X-T: a\rb",
  "X-T: a\nb: c",
  "X-T: \x80",
  "X\x80: a",
  "Proxy-Connection: close",
];

function trailer(choose: Choices): string {
  if (choose.chance(0.6)) return "";
  const lines = Array.from({ length: choose.from([1, 1, 2]) }, () => choose.from(trailers));
  return lines.map((line) => `${line}\r\n`).join("");
}

const inserts = [
  "\r",
  "\n",
  "\r\n",
  "\0",
  " ",
  "\t",
  ":",
  ",",
  ";",
  "0",
  "\x80",
  "\xff",
  "\x0b",
  "\x0c",
  "\x7f",
  "\r\n\r\n",
  "\xc2\xa0",
  "\u00e4",
  '"',
  "\\",
];

function mutate(text: string, choose: Choices): string {
  const at = choose.below(text.length + 1);
  switch (choose.below(9)) {
    case 0:
      return text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 << choose.below(8))) + text.slice(at + 1);
    case 1:
    case 2:
      return text.slice(0, at) + choose.from(inserts) + text.slice(at);
    case 3:
      return text.slice(0, at) + text.slice(at + choose.from([1, 1, 2, 5]));
    case 4:
      return text.slice(0, at);
    case 5:
      return withLines(text, (lines) => lines.splice(choose.below(lines.length), 0, choose.from(lines)));
    case 6:
      return withLines(text, (lines) => lines.push(...lines.splice(choose.below(lines.length), 1)));
    case 7: {
      const end = at + choose.below(12);
      const piece = text.slice(at, end);
      const changed = choose.chance(0.5) ? piece.toUpperCase() : piece.toLowerCase();
      return text.slice(0, at) + changed.replace(/[^\0-\xff]/g, "?") + text.slice(end);
    }
    default:
      return text.replace(choose.chance(0.5) ? /[0-9]+/ : /[0-9]+(?=\r\n)/, () => choose.from(hugeNumbers));
  }
}

function withLines(text: string, change: (lines: string[]) => void): string {
  const lines = text.split("\r\n");
  change(lines);
  return lines.join("\r\n");
}

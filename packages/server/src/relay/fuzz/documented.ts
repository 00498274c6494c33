/** Where the relay is stricter than llhttp, and why: what it refuses although llhttp finds nothing wrong. Nothing else may be here. */
export const stricterBecause: Readonly<Record<string, string>> = {
  "Transfer-Encoding is given in HTTP/#.#": "HTTP/1.0 knows none (RFC 9112 6.1)",
  "the only Transfer-Encoding taken is … was given":
    "other readers take lists of codings, and odd spellings, in other ways",
  "the status line is malformed": "controls in a reason, a status below 100, empty lines before a response",
  "a line ends with a bare LF": "also before a request line",
  "one Host field is needed, # were given": "RFC 9112 3.2",
  "a chunk size is too long": "13 digits are never rounded; leading zeros count",
  "a chunk extension is malformed": "an empty name or value",
  "a chunk extension is too long": "256 bytes will do",
  "the request line is malformed": "a bare CR before it, HTTP/0.9",
  "CONNECT is not offered": "what follows it would be no HTTP",
  "one Content-Length, a whole number, is needed; … was given": "beyond 2^53 - 1",
  "a trailer holds a field that belongs into the head": "RFC 9110 6.5.1",
  "HTTP/#.# is not spoken here": "only 1.0 and 1.1 are",
  "an interim response announces a body": "RFC 9110 8.6; llhttp takes some for bodiless",
  "the head has more than # fields": "a limit",
};

/** What llhttp alone does not like about a request line: methods and targets are for the backend to judge, and frame nothing. */
export const judgedByTheBackend: readonly string[] = [
  "HPE_INVALID_METHOD",
  "HPE_INVALID_URL",
  "HPE_INVALID_CONSTANT", // methods of RTSP and ICE
  "HPE_INVALID_VERSION", // PRI, the method of HTTP/2's preface
  "PRI",
];

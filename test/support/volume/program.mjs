// Sends as many bytes as it is asked for, and counts those that it is sent.
import { createServer } from "node:http";

const part = Buffer.alloc(256 * 1024, "0123456789abcdef");

const server = createServer((request, response) => {
  const bytes = Number(new URL(request.url, "http://program").searchParams.get("bytes"));
  if (request.method === "GET") return pour(response, bytes);
  let got = 0;
  request.on("data", ({ length }) => {
    got += length;
  });
  request.on("end", () => response.end(String(got)));
});

function pour(response, bytes) {
  response.writeHead(200, { "content-length": bytes });
  let left = bytes;
  const more = () => {
    while (left > 0) {
      const next = left < part.length ? part.subarray(0, left) : part;
      left -= next.length;
      if (!response.write(next)) return;
    }
    response.end();
  };
  response.on("drain", more);
  more();
}

server.requestTimeout = 0;
server.listen(Number(process.env.PORT), "127.0.0.1");

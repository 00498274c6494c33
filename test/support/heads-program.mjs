// A program that tells all that it was sent as it came: each field of a head, and of trailers, on its own.
import { createServer } from "node:http";

const server = createServer((request, response) => {
  request.resume().on("end", () => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ head: request.rawHeaders, trailers: request.rawTrailers }));
  });
});
server.on("upgrade", (request, socket) => {
  socket.on("error", () => socket.destroy());
  socket.end(
    `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: told\r\n\r\n${JSON.stringify({ head: request.rawHeaders, trailers: [] })}`,
  );
});
server.listen(Number(process.env.PORT), "127.0.0.1");

// All that Node itself takes to pass bytes on, as its documentation says it is done: each connection is copied to one of the
// upstream's, both ways, and nothing is looked at. No relay on Node's sockets can take less: node copy.mjs UPSTREAM_PORT
import { connect, createServer } from "node:net";

const upstreamPort = Number(process.argv[2]);
const options = { noDelay: true };

const server = createServer(options, (client) => {
  const upstream = connect({ port: upstreamPort, host: "127.0.0.1", ...options });
  for (const [from, to] of [
    [client, upstream],
    [upstream, client],
  ]) {
    from.on("data", (bytes) => {
      if (!to.write(bytes)) from.pause();
    });
    from.on("drain", () => to.resume());
    from.on("end", () => to.end());
    from.on("error", () => {}); // close follows
    from.on("close", () => to.destroy());
  }
});
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => console.log(`port ${server.address().port}`));

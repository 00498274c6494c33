// The smallest program there is to start in a Pod, given to Node by --import: what it would start after that waits for ever.
import { createServer } from "node:http";

createServer((_, response) => response.end("hello")).listen(Number(process.env.PORT));
// A container's first process is ended by no signal that it does not handle.
process.on("SIGTERM", () => process.exit(0));
await new Promise(() => {});

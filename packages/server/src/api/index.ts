export { run } from "./server.ts";

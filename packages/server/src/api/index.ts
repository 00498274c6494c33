export type { Auth } from "./auth.ts";
export { run } from "./server.ts";

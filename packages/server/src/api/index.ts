export { type Api, type ApiConfig, type ApiDeps, run } from "./server.ts";

export { run } from "./controller.ts";

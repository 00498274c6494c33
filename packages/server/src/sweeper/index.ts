export { run } from "./sweeper.ts";

export { run, type SweeperConfig, type SweeperDeps } from "./sweeper.ts";

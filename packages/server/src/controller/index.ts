export { type Controller, type ControllerConfig, type ControllerDeps, run } from "./controller.ts";

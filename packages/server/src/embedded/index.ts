export { type Embedded, type EmbeddedConfig, run } from "./embedded.ts";

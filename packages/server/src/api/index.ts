export type { Auth } from "./auth.ts";
export { type Api, run } from "./server.ts";
export { commandSpec } from "./template-file.ts";
export { choiceOf, defaultTemplateName, type Templates } from "./templates.ts";
export { TemplatesFolder } from "./templates-folder.ts";

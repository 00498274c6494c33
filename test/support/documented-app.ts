import { execFile } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { runCommand, startDev, temporaryFolder } from "./dev.ts";
import { fileBlock, readDocument } from "./documents.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The application of docs/connect.md as it stands there, with the client as it is published. */
export async function startDocumentedApp() {
  const document = readDocument("docs/connect.md");
  const folder = temporaryFolder();
  for (const name of ["notes.mjs", "app.mjs"]) writeFileSync(join(folder, name), fileBlock(document, name));
  writeFileSync(join(folder, "page.html"), pageOf(document));
  await promisify(execFile)(process.execPath, [join(root, "scripts/build.mjs"), "--out", join(folder, "build")]);
  const modules = join(folder, "node_modules");
  mkdirSync(join(modules, "@spawner"), { recursive: true });
  symlinkSync(join(folder, "build/client"), join(modules, "@spawner/client"));
  symlinkSync(join(root, "node_modules/ws"), join(modules, "ws"));

  const { url: spawnerUrl } = await startDev(["sh", "-c", `cd '${folder}' && exec node notes.mjs`]);
  const env = { SPAWNER_URL: `${spawnerUrl}/api`, APP_PORT: "0" };
  const app = runCommand(["sh", "-c", `cd '${folder}' && exec '${process.execPath}' app.mjs`], env);
  const [, url = ""] = await app.output.waitFor(/(http:\/\/127\.0\.0\.1:\d+)\/\?document=/);
  return { url, spawnerUrl };
}

/** The page's name is a comment, which is no first line for a page. */
function pageOf(document: string): string {
  const [, page] = /^```html\n<!-- page\.html -->\n(.*?)^```$/ms.exec(document) ?? [];
  if (page === undefined) throw new Error("docs/connect.md has no page.html");
  return page;
}

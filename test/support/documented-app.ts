import { execFile } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { runCommand, startDev, temporaryFolder } from "./dev.ts";
import { fileBlock, readDocument } from "./documents.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Where the application is, for who follows the document. */
const documentedUrl = "http://127.0.0.1:3000";

/** The application of docs/connect.md as it stands there, with the client as it is published. */
export async function startDocumentedApp() {
  const document = readDocument("docs/connect.md");
  const folder = temporaryFolder();
  for (const name of ["notes.mjs", "app.mjs", "page.html"]) {
    writeFileSync(join(folder, name), fileBlock(document, name));
  }
  await promisify(execFile)(process.execPath, [join(root, "scripts/build.mjs"), "--out", join(folder, "build")]);
  const modules = join(folder, "node_modules");
  mkdirSync(join(modules, "@spawner"), { recursive: true });
  symlinkSync(join(folder, "build/client"), join(modules, "@spawner/client"));
  symlinkSync(join(root, "node_modules/ws"), join(modules, "ws"));

  const { url: spawnerUrl } = await startDev(["sh", "-c", `cd '${folder}' && exec node notes.mjs`]);
  const env = { SPAWNER_URL: `${spawnerUrl}/api`, APP_PORT: "0" };
  const app = runCommand(["sh", "-c", `cd '${folder}' && exec '${process.execPath}' app.mjs`], env);
  const [, url = ""] = await app.output.waitFor(/(http:\/\/127\.0\.0\.1:\d+)\/\?document=/);
  const removal = removalIn(document).replace(documentedUrl, url);
  return {
    url,
    spawnerUrl,
    /** As the document says. Resolves to what is answered. */
    removeBob: async () => (await promisify(execFile)("sh", ["-c", `${removal} --silent --fail`])).stdout,
  };
}

/** The command that takes bob off, to be run where the application is. */
function removalIn(document: string): string {
  const [, command] = /`(curl [^`]*\/remove[^`]*)`/.exec(document) ?? [];
  if (command?.includes(documentedUrl) !== true) throw new Error("docs/connect.md has no curl of /remove");
  return command;
}

// Prints what each entry of the client adds to a page, and fails where that is more than it may be.
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "rolldown";

/** With gzip. A page has the session; a server's code, and whoever starts and lists backends, has the client. */
const gzipBytesMax = 6_000;
const entries = { "@spawner/client": "src/index.ts", "@spawner/client/session": "src/session/index.ts" };

const sizes = [];
for (const [name, path] of Object.entries(entries)) sizes.push({ name, ...(await sizeOf(path)) });
console.table(Object.fromEntries(sizes.map(({ name, ...bytes }) => [name, bytes])));
const tooLarge = sizes.filter(({ gzip }) => gzip > gzipBytesMax);
for (const { name, gzip } of tooLarge)
  console.error(`${name} may have ${gzipBytesMax} bytes with gzip, and has ${gzip}.`);
if (tooLarge.length > 0) process.exit(1);

async function sizeOf(path) {
  const { output } = await build({
    input: fileURLToPath(new URL(`../packages/client/${path}`, import.meta.url)),
    platform: "browser",
    output: { format: "esm", minify: true },
    write: false,
    logLevel: "warn",
  });
  const code = Buffer.from(output[0].code);
  return { raw: code.length, gzip: gzipSync(code, { level: 9 }).length, brotli: brotliCompressSync(code).length };
}

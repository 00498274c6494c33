// Prints what the client adds to a page, and fails where that is more than it may be.
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "rolldown";

const gzipBytesMax = 6_000;

const { output } = await build({
  input: fileURLToPath(new URL("../packages/client/src/index.ts", import.meta.url)),
  platform: "browser",
  output: { format: "esm", minify: true },
  write: false,
  logLevel: "warn",
});
const code = Buffer.from(output[0].code);
const gzipBytes = gzipSync(code, { level: 9 }).length;
const sizes = { raw: code.length, gzip: gzipBytes, brotli: brotliCompressSync(code).length };
for (const [name, bytes] of Object.entries(sizes)) console.log(`${name.padEnd(6)} ${String(bytes).padStart(6)} bytes`);
if (gzipBytes > gzipBytesMax) {
  console.error(`The client may have ${gzipBytesMax} bytes with gzip, and has ${gzipBytes}.`);
  process.exit(1);
}

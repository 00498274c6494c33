import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface ServerCertificate {
  /** PEM; it is its own authority. */
  readonly cert: string;
  readonly key: string;
}

/** A certificate for a TLS server on 127.0.0.1, for a day, that is signed by itself. */
export function makeServerCertificate(): ServerCertificate {
  const folder = mkdtempSync(join(tmpdir(), "spawner-certificate-"));
  const [certFile, keyFile] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  try {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", keyFile];
    const names = ["-subj", "/CN=spawner-test-proxy", "-addext", "subjectAltName=IP:127.0.0.1"];
    execFileSync("openssl", ["req", "-x509", "-days", "1", ...key, ...names, "-out", certFile], { stdio: "pipe" });
    return { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

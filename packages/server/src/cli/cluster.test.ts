import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { stringify } from "yaml";
import { createSlab, logIn } from "./cluster.ts";
import { makeSlabManifest } from "./slab-manifest.ts";

const slab = makeSlabManifest({ image: "example/app:1", name: "made", namespace: "spawner", gracePeriodSeconds: 300 });

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "spawner-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** What stands for a cluster, answering everything alike. */
async function startApiServer(code: number, body: string): Promise<string> {
  const server = createServer((_, response) => {
    response.writeHead(code, { "content-type": "application/json" }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function useKubeConfig(text: string): void {
  const file = join(temporaryFolder(), "kubeconfig");
  writeFileSync(file, text);
  vi.stubEnv("KUBECONFIG", file);
}

function kubeConfig(server: string, currentContext = "now"): string {
  return stringify({
    // The official client speaks plain HTTP only to a cluster whose certificate need not be verified.
    clusters: [{ name: "here", cluster: { server, "insecure-skip-tls-verify": true } }],
    users: [{ name: "me", user: { token: "secret-token" } }],
    contexts: [{ name: "now", context: { cluster: "here", user: "me" } }],
    "current-context": currentContext,
  });
}

/** What `createSlab` says, in one line, where it fails. */
async function failure(): Promise<string> {
  const error = await createSlab(slab, { namespace: "spawner" }).then(
    () => new Error("it was created"),
    (reason: Error) => reason,
  );
  expect(error.message).not.toMatch(/\n|secret-token/);
  return error.message;
}

// Nobody's own cluster is asked.
beforeEach(() => {
  vi.stubEnv("HOME", temporaryFolder());
  vi.stubEnv("KUBECONFIG", "");
  return () => vi.unstubAllEnvs();
});

const status = (code: number, reason: string, message: string) =>
  [code, JSON.stringify({ kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message })] as const;

test.each<[string, readonly [number, string], string]>([
  [
    "a name that is taken",
    status(409, "AlreadyExists", 'sessionlivedbackends.spawner.dev "made" already exists'),
    'sessionlivedbackends.spawner.dev "made" already exists (AlreadyExists)',
  ],
  ["a missing definition", [404, "404 page not found\n"], "spawner print-crd | kubectl apply -f -"],
  [
    "a missing namespace",
    status(404, "NotFound", 'namespaces "spawner" not found'),
    'namespaces "spawner" not found (NotFound)',
  ],
  ["a lack of rights", status(403, "Forbidden", "me cannot create it"), "me cannot create it (Forbidden)"],
  ["a proxy's page", [502, "<html>bad\ngateway</html>"], "answered 502 (HTTP 502)"],
])("%s is told with the API server's own words, or with what to do", async (_, answer, message) => {
  useKubeConfig(kubeConfig(await startApiServer(...answer)));
  expect(await failure()).toContain(message);
});

test("a cluster that cannot be reached is named", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await new Promise((resolve) => server.close(resolve));
  useKubeConfig(kubeConfig(url));
  expect(await failure()).toMatch(new RegExp(`${url} cannot be asked: .*ECONNREFUSED`));
});

test("a kubeconfig that is missing, unreadable or incomplete is told as such", async () => {
  expect(await failure()).toMatch(/There is no kubeconfig: name one in KUBECONFIG/);
  vi.stubEnv("KUBECONFIG", join(temporaryFolder(), "missing"));
  expect(await failure()).toMatch(/The kubeconfig cannot be read: .*ENOENT/);
  useKubeConfig("{ not: [yaml");
  expect(await failure()).toMatch(/The kubeconfig cannot be read: /);
  useKubeConfig(kubeConfig("http://127.0.0.1:9", ""));
  expect(await failure()).toMatch(/has no current context with a cluster/);
});

/** A kubeconfig whose user logs in by a program that prints this. */
function useLogin(status: object): void {
  const credential = { apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential", status };
  useKubeConfig(
    stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "work",
      contexts: [{ name: "work", context: { cluster: "far", user: "me", namespace: "play" } }],
      clusters: [{ name: "far", cluster: { server: "https://far.example:6443", "tls-server-name": "near.example" } }],
      users: [
        {
          name: "me",
          user: {
            exec: {
              apiVersion: "client.authentication.k8s.io/v1",
              command: process.execPath,
              args: ["-p", JSON.stringify(JSON.stringify(credential))],
              interactiveMode: "Never",
            },
          },
        },
      ],
    }),
  );
}

test("whoever logs in by a program gets what it gives: a token", async () => {
  useLogin({ token: "secret-of-today" });
  expect(await logIn({})).toEqual({
    server: "https://far.example:6443",
    namespace: "play",
    tls: { servername: "near.example" },
    token: "secret-of-today",
  });
  expect(await logIn({ namespace: "other" })).toMatchObject({ namespace: "other" });
});

test("whoever logs in by a program gets what it gives: a certificate", async () => {
  useLogin({ clientCertificateData: "CERT", clientKeyData: "KEY" });
  expect(await logIn({})).toMatchObject({ tls: { cert: "CERT", key: "KEY" } });
});

test("a kubeconfig that is named and not there is said", async () => {
  await expect(logIn({ kubeconfig: "/nope" })).rejects.toThrow("The kubeconfig cannot be read");
});

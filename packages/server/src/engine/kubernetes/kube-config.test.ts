import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { stringify } from "yaml";
import { loadKubeConfig } from "./kube-config.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64");

function folder(files: Record<string, string>): string {
  const path = mkdtempSync(join(tmpdir(), "spawner-kubeconfig-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

function kubeconfig(user: object, { cluster = {}, context = {} }: { cluster?: object; context?: object } = {}): string {
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "here",
    contexts: [{ name: "here", context: { cluster: "c", user: "u", ...context } }],
    clusters: [{ name: "c", cluster: { server: "https://kube:6443", ...cluster } }],
    users: [{ name: "u", user }],
  });
}

test("in a Pod it is the service account's, whose token is read from its file each time", async () => {
  const serviceAccountDir = folder({ "ca.crt": "CA", namespace: "sessions\n", token: "t" });
  const env = { KUBERNETES_SERVICE_HOST: "10.96.0.1", KUBERNETES_SERVICE_PORT: "443", KUBECONFIG: "/nowhere" };
  expect(await loadKubeConfig({ env, serviceAccountDir })).toEqual({
    server: "https://10.96.0.1:443",
    namespace: "sessions",
    tls: { ca: "CA" },
    token: { file: join(serviceAccountDir, "token") },
  });
  const ipv6 = { ...env, KUBERNETES_SERVICE_HOST: "fd00::1" };
  expect(await loadKubeConfig({ env: ipv6, serviceAccountDir, namespace: "n" })).toMatchObject({
    server: "https://[fd00::1]:443",
    namespace: "n",
  });
});

test("certificates and keys are taken as data, or from files beside the kubeconfig", async () => {
  const data = {
    "client-certificate-data": base64("CERT"),
    "client-key-data": base64("KEY"),
  };
  const cluster = { "certificate-authority-data": base64("CA"), "tls-server-name": "kube.local" };
  const files = folder({ ca: "CA", cert: "CERT", key: "KEY" });
  mkdirSync(join(files, "sub"));
  writeFileSync(join(files, "inline"), kubeconfig(data, { cluster, context: { namespace: "mine" } }));
  writeFileSync(
    join(files, "sub", "named"),
    kubeconfig(
      { "client-certificate": "../cert", "client-key": join(files, "key") },
      { cluster: { "certificate-authority": "../ca", "insecure-skip-tls-verify": true } },
    ),
  );
  const tls = { ca: "CA", cert: "CERT", key: "KEY" };
  expect(await loadKubeConfig({ kubeconfig: join(files, "inline") })).toEqual({
    server: "https://kube:6443",
    namespace: "mine",
    tls: { ...tls, servername: "kube.local" },
  });
  expect(await loadKubeConfig({ kubeconfig: join(files, "sub", "named") })).toEqual({
    server: "https://kube:6443",
    namespace: "spawner",
    tls: { ...tls, rejectUnauthorized: false },
  });
});

test("a kubeconfig is looked for in KUBECONFIG, and one that is named goes before a service account", async () => {
  const files = folder({ config: kubeconfig({ token: "t" }), other: kubeconfig({ tokenFile: "token" }) });
  const env = { KUBECONFIG: `:${join(files, "config")}:/nowhere` };
  expect(await loadKubeConfig({ env })).toMatchObject({ token: "t" });
  const inPod = { ...env, KUBERNETES_SERVICE_HOST: "10.96.0.1" };
  expect(await loadKubeConfig({ env: inPod, kubeconfig: join(files, "other") })).toMatchObject({
    token: { file: join(files, "token") },
  });
});

test.each([
  ["a file that is not there", undefined, "cannot be read"],
  ["what is not YAML", "{", "is not YAML"],
  ["what holds nothing", "", 'no context ""; it has none'],
  ["a context of an unknown cluster", kubeconfig({}, { context: { cluster: "gone" } }), 'no cluster "gone"; it has c'],
  ["a login by a program", kubeconfig({ exec: { command: "aws" } }), "a client certificate or a token is needed"],
])("%s is refused, in words", async (_, text, message) => {
  const files = folder(text === undefined ? {} : { config: text });
  await expect(loadKubeConfig({ kubeconfig: join(files, "config") })).rejects.toMatchObject({
    code: "invalid_request",
    message: expect.stringContaining(message),
  });
});

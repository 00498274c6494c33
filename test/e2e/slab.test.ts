import { writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { parseAllDocuments, stringify } from "yaml";
import { runSpawner, temporaryFolder } from "../support/dev.ts";

interface Asked {
  method: string | undefined;
  path: string;
  query: string | null;
  headers: IncomingHttpHeaders;
  body: unknown;
}

const contentType = { "content-type": "application/json" };

/** What stands for a cluster: answers everything alike, and remembers what it was asked. */
async function startApiServer(answer: (body: unknown) => [number, string]) {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const text = (await request.toArray()).join("");
    const url = new URL(request.url ?? "", "http://cluster");
    const body: unknown = text === "" ? undefined : JSON.parse(text);
    const { method, headers } = request;
    asked.push({ method, path: url.pathname, query: url.searchParams.get("fieldManager"), headers, body });
    const [code, answered] = answer(body);
    response.writeHead(code, contentType).end(answered);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

/** The file that says where a cluster is, and who asks. */
function writeKubeConfig(server: string): string {
  const file = join(temporaryFolder(), "kubeconfig");
  writeFileSync(
    file,
    stringify({
      apiVersion: "v1",
      kind: "Config",
      // The official client speaks plain HTTP only to a cluster whose certificate need not be verified.
      clusters: [{ name: "here", cluster: { server, "insecure-skip-tls-verify": true } }],
      users: [{ name: "me", user: { token: "secret-token" } }],
      contexts: [{ name: "now", context: { cluster: "here", user: "me" } }],
      "current-context": "now",
    }),
  );
  return file;
}

/** `create-slab --image example/app:1 ARGS` to its end. HOME is empty, so that nobody's own cluster is asked. */
async function createSlab(args: string[], env: Record<string, string>) {
  const { output, exited } = runSpawner(["create-slab", "--image", "example/app:1", ...args], {
    HOME: temporaryFolder(),
    KUBECONFIG: "",
    ...env,
  });
  return { code: await exited, text: output.text };
}

const named = (body: unknown): [number, string] => {
  const { metadata, ...rest } = body as { metadata: { name?: string; generateName?: string } };
  return [201, JSON.stringify({ ...rest, metadata: { name: metadata.name ?? `${metadata.generateName}x7k2p` } })];
};

describe("create-slab", () => {
  test("creates what print-slab prints, in its namespace, and says its name", async () => {
    const { url, asked } = await startApiServer(named);
    const created = await createSlab(["--name", "made", "-n", "team", "-p", "3000"], {
      KUBECONFIG: writeKubeConfig(url),
    });
    expect(created).toEqual({ code: 0, text: 'Created: "made"\n' });
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({
      method: "POST",
      path: "/apis/spawner.dev/v1/namespaces/team/sessionlivedbackends",
      query: "spawner.dev",
      headers: { authorization: "Bearer secret-token", "content-type": "application/json" },
    });
    const printing = runSpawner("print-slab --image example/app:1 --name made -p 3000".split(" "));
    expect(await printing.exited).toBe(0);
    expect(printing.output.text).toMatch(/^---\n/);
    expect(parseAllDocuments(printing.output.text).map((document) => document.toJS() as unknown)).toEqual([
      asked[0]?.body,
    ]);
  });

  test("says the name that Kubernetes has generated, in the namespace of 0.1.9", async () => {
    const { url, asked } = await startApiServer(named);
    const created = await createSlab([], { KUBECONFIG: writeKubeConfig(url) });
    expect(created).toEqual({ code: 0, text: 'Created: "spawner-x7k2p"\n' });
    expect(asked[0]?.path).toContain("/namespaces/spawner/");
  });

  test("a name that is taken fails with exit code 1", async () => {
    const message = 'sessionlivedbackends.spawner.dev "made" already exists';
    const status = { kind: "Status", apiVersion: "v1", status: "Failure", code: 409, reason: "AlreadyExists", message };
    const { url } = await startApiServer(() => [409, JSON.stringify(status)]);
    const created = await createSlab(["--name", "made"], { KUBECONFIG: writeKubeConfig(url) });
    expect(created).toEqual({
      code: 1,
      text: `spawner: Creating the backend failed: ${message} (AlreadyExists)\n`,
    });
  });
});

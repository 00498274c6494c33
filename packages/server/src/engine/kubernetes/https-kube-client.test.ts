import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { deadlines } from "../../core/deadlines.ts";
import { FakeClock } from "../../lib/fake-clock.ts";
import { answer, refuse, ScriptedServer } from "./fixtures/scripted-server.ts";
import { HttpsKubeClient } from "./https-kube-client.ts";
import type { KubeConfig } from "./kube-config.ts";

function openClient(server: ScriptedServer, config: Partial<KubeConfig> = {}) {
  const clock = new FakeClock();
  const client = new HttpsKubeClient({ server: server.url, namespace: "test", tls: {}, ...config }, { clock });
  onTestFinished(() => client.close());
  return { client, clock };
}

function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "spawner-kube-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const get = { method: "GET", path: "/version" } as const;
const pass = (assertion: () => void) => vi.waitFor(assertion, { timeout: 5_000, interval: 5 });

test("a call sends what it is given, and brings the answer", async () => {
  const server = await ScriptedServer.open();
  const { client } = openClient(server);
  server.handler = (request, response) => {
    let body = "";
    request
      .on("data", (chunk) => (body += chunk))
      .on("end", () => answer(response, { body, headers: request.headers }));
  };
  const patch = {
    method: "PATCH",
    path: "/apis/a/b",
    query: { x: "é&", y: undefined, z: true },
    body: { ä: 1 },
  } as const;
  const { body, headers } = await client.json<{ body: string; headers: Record<string, string> }>(patch);
  expect(server.asked).toEqual(["PATCH /apis/a/b?x=%C3%A9%26&z=true"]);
  expect(JSON.parse(body)).toEqual({ ä: 1 });
  expect(headers).toMatchObject({ "content-type": "application/merge-patch+json", accept: "application/json" });
});

test("a path in the server's URL is kept", async () => {
  const server = await ScriptedServer.open();
  const { client } = openClient(server, { server: `${server.url}/k8s/clusters/c-1` });
  await client.json(get);
  expect(server.asked).toEqual(["GET /k8s/clusters/c-1/version"]);
});

test.each([
  [404, "NotFound"],
  [409, "Conflict"],
  [403, "Forbidden"],
  [422, "Invalid"],
])("a Status of %i is told as what it is: %s", async (status, reason) => {
  const server = await ScriptedServer.open();
  const { client } = openClient(server);
  server.handler = (_, response) => refuse(response, status, reason);
  const refusal = { name: "KubeError", status, reason, message: `${reason} it is` };
  await expect(client.json(get)).rejects.toMatchObject(refusal);
  await expect(client.stream(get)).rejects.toMatchObject(refusal);
});

test("a page of a proxy in between is told, cut where it is long", async () => {
  const server = await ScriptedServer.open();
  const { client } = openClient(server);
  server.handler = (_, response) => response.writeHead(404).end("x".repeat(10_000));
  await expect(client.json(get)).rejects.toMatchObject({ status: 404, message: "x".repeat(300) });
});

test.each([500, 502, 503, 504])("%i says to try later: unavailable, and the answer is its cause", async (status) => {
  const server = await ScriptedServer.open();
  const { client } = openClient(server);
  server.handler = (_, response) => refuse(response, status, "InternalError");
  const error = { code: "unavailable", cause: { status, reason: "InternalError" } };
  await expect(client.json(get)).rejects.toMatchObject(error);
});

test("answers, even bad ones, do not make the server absent", async () => {
  const server = await ScriptedServer.open();
  const { client } = openClient(server);
  server.handler = (_, response) => refuse(response, 503, "ServiceUnavailable");
  for (let i = 0; i < 10; i += 1) await client.json(get).catch(() => {});
  expect(server.asked).toHaveLength(10);
});

test("a call that is not answered in time is given up, and its connection with it", async () => {
  const server = await ScriptedServer.open();
  const { client, clock } = openClient(server);
  server.handler = () => {};
  const call = client.json(get).catch((error: unknown) => error);
  await pass(() => expect(server.asked).toHaveLength(1));
  clock.advance(deadlines.apiServerMs - 1);
  expect(server.connections).toBe(1);
  clock.advance(1);
  expect(await call).toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("did not answer within 1.8 s"),
  });
  await pass(() => expect(server.connections).toBe(0));
});

test("a list has more time than another call: what is too slow once would be so for ever", async () => {
  const server = await ScriptedServer.open();
  const { client, clock } = openClient(server);
  let finish = () => {};
  server.handler = (_, response) => {
    finish = () => answer(response, { items: [] });
  };
  const list = client.json({ ...get, isList: true });
  await pass(() => expect(server.asked).toHaveLength(1));
  clock.advance(deadlines.apiServerListMs - 1);
  finish();
  expect(await list).toEqual({ items: [] });
});

test("an answer that begins and does not end is no answer", async () => {
  const server = await ScriptedServer.open();
  const { client, clock } = openClient(server);
  server.handler = (_, response) => response.writeHead(200).write('{"half":');
  const call = client.json(get).catch((error: unknown) => error);
  await pass(() => expect(server.asked).toHaveLength(1));
  clock.advance(deadlines.apiServerMs);
  expect(await call).toMatchObject({ code: "unavailable" });
});

test("while nobody is there calls fail at once, and the first that comes through opens the way for all", async () => {
  const server = await ScriptedServer.open();
  const { client, clock } = openClient(server);
  await server.stop();
  const failure = () => client.json(get).catch((error: Error) => error.message);
  for (let i = 0; i < 3; i += 1) expect(await failure()).toContain("ECONNREFUSED");
  expect(await failure()).toContain("was not asked again yet");
  await server.start();
  clock.advance(1_000);
  // One at a time tries.
  const [probe, other] = [client.json(get), failure()];
  expect(await other).toContain("was not asked again yet");
  await probe;
  await Promise.all([client.json(get), client.json(get)]);
});

test("connections are kept, and bounded, however many call at once", async () => {
  const server = await ScriptedServer.open();
  const { client } = openClient(server);
  let most = 0;
  server.handler = (_, response) => {
    most = Math.max(most, server.connections);
    answer(response, {});
  };
  for (let round = 0; round < 3; round += 1) await Promise.all(Array.from({ length: 200 }, () => client.json(get)));
  expect(most).toBeLessThanOrEqual(32);
  expect(most).toBeGreaterThan(1);
  client.close();
  await pass(() => expect(server.connections).toBe(0));
  await expect(client.json(get)).rejects.toMatchObject({ code: "unavailable" });
});

test("a kept connection that the server closed is not taken for an absent server", async () => {
  const server = await ScriptedServer.open();
  const { client } = openClient(server);
  await client.json(get);
  server.handler = (request, response) => {
    if (server.asked.length === 2) request.socket.resetAndDestroy();
    else answer(response, {});
  };
  await client.json(get);
  expect(server.asked).toHaveLength(3);
  // A write may have been done: whoever asked has to find out.
  server.handler = (request) => void request.socket.resetAndDestroy();
  await expect(client.json({ ...get, method: "POST" })).rejects.toMatchObject({ code: "unavailable" });
  expect(server.asked).toHaveLength(4);
});

test("who is told to come back later does, where there is time", async () => {
  const server = await ScriptedServer.open();
  const { client, clock } = openClient(server);
  server.handler = (_, response) => {
    if (server.asked.length > 1) answer(response, { ok: true });
    else answer(response, {}, 429, { "retry-after": "1" });
  };
  const call = client.json(get);
  await pass(() => expect(server.asked).toHaveLength(1));
  await pass(() => {
    clock.advance(100);
    expect(server.asked).toHaveLength(2);
  });
  expect(await call).toEqual({ ok: true });
  expect(clock.monotonicMs()).toBeGreaterThanOrEqual(1_000);

  server.handler = (_, response) => answer(response, { reason: "TooManyRequests" }, 429, { "retry-after": "5" });
  await expect(client.json(get)).rejects.toMatchObject({ code: "unavailable", cause: { status: 429 } });
});

test("a caller who gives up is told his own reason, and leaves nothing behind", async () => {
  const server = await ScriptedServer.open();
  const { client } = openClient(server);
  server.handler = () => {};
  const stop = new AbortController();
  const call = client.json({ ...get, signal: stop.signal }).catch((error: unknown) => error);
  await pass(() => expect(server.asked).toHaveLength(1));
  stop.abort("enough");
  expect(await call).toBe("enough");
  await pass(() => expect(server.connections).toBe(0));
  await expect(client.json({ ...get, signal: stop.signal })).rejects.toBe("enough");
});

test("a stream goes on for longer than any deadline, until the signal ends it without an error", async () => {
  const server = await ScriptedServer.open();
  const { client, clock } = openClient(server);
  const stop = new AbortController();
  let go = () => {};
  server.handler = (_, response) => {
    response.writeHead(200).write("one");
    go = () => void response.write("two");
  };
  const stream = await client.stream({ ...get, signal: stop.signal });
  clock.advance(3_600_000);
  go();
  let heard = "";
  for await (const chunk of stream) {
    heard += Buffer.from(chunk).toString();
    if (heard === "onetwo") stop.abort();
  }
  expect(heard).toBe("onetwo");
  await pass(() => expect(server.connections).toBe(0));
});

test("a stream that breaks, or that nobody reads, is no unhandled error and holds no connection", async () => {
  const server = await ScriptedServer.open();
  const { client } = openClient(server);
  server.handler = (_, response) => response.writeHead(200).write("one");
  const [read] = [await client.stream(get), await client.stream(get)];
  server.cut();
  const reading = (async () => {
    for await (const _ of read);
  })();
  await expect(reading).rejects.toMatchObject({ code: "unavailable" });
  await pass(() => expect(server.connections).toBe(0));
  // Whoever leaves in the midst closes it.
  for await (const _ of await client.stream(get)) break;
  await pass(() => expect(server.connections).toBe(0));
});

test("only a stream that may be silent is waited for beyond the deadline", async () => {
  const server = await ScriptedServer.open();
  const { client, clock } = openClient(server);
  server.handler = () => {};
  const patient = client.stream({ ...get, mayBeSilent: true });
  const impatient = client.stream(get).catch((error: unknown) => error);
  await pass(() => expect(server.asked).toHaveLength(2));
  clock.advance(deadlines.apiServerMs);
  expect(await impatient).toMatchObject({ code: "unavailable" });
  client.close();
  await expect(patient).rejects.toMatchObject({ code: "unavailable" });
});

test("however many streams are open, another one is not kept waiting", async () => {
  const server = await ScriptedServer.open();
  const { client } = openClient(server);
  server.handler = (_, response) => response.writeHead(200).write("one");
  const followed = 300;
  await Promise.all(Array.from({ length: followed }, () => client.stream(get)));
  await client.stream(get);
  expect(server.connections).toBe(followed + 1);
});

test("a token in a file is read again when it changes, at the latest when it is refused", async () => {
  const server = await ScriptedServer.open();
  const file = join(tempFolder(), "token");
  writeFileSync(file, "old\n");
  const { client, clock } = openClient(server, { token: { file } });
  const seen: (string | undefined)[] = [];
  server.handler = ({ headers }, response) => {
    seen.push(headers.authorization);
    if (headers.authorization === "Bearer old") refuse(response, 401, "Unauthorized");
    else answer(response, {});
  };
  await expect(client.json(get)).rejects.toMatchObject({ reason: "Unauthorized" });
  writeFileSync(file, "new\n");
  await client.json(get);
  expect(seen).toEqual(["Bearer old", "Bearer old", "Bearer new"]);
  writeFileSync(file, "newer\n");
  clock.advance(10_000);
  await client.json(get);
  expect(seen.at(-1)).toBe("Bearer newer");
  // What was read last is better than nothing.
  rmSync(file);
  clock.advance(10_000);
  await client.json(get);
  expect(seen.at(-1)).toBe("Bearer newer");
});

test("the server is known by its certificate: by another authority's, or another name's, it is not asked", async () => {
  const folder = tempFolder();
  const [keyFile, certFile] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const subject = ["-subj", "/CN=kube", "-addext", "subjectAltName=DNS:kube.test"];
  execFileSync(
    "openssl",
    ["req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "1", ...subject, "-keyout", keyFile, "-out", certFile],
    { stdio: "ignore" },
  );
  const [key, cert] = [readFileSync(keyFile, "utf8"), readFileSync(certFile, "utf8")];
  const server = await ScriptedServer.open({ key, cert });
  const ask = (tls: KubeConfig["tls"]) => openClient(server, { tls }).client.json(get);
  await expect(ask({})).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining("self-signed") });
  await expect(ask({ ca: cert })).rejects.toMatchObject({ message: expect.stringContaining("127.0.0.1") });
  expect(server.asked).toEqual([]);
  await ask({ ca: cert, servername: "kube.test" });
  await ask({ rejectUnauthorized: false });
  expect(server.asked).toHaveLength(2);
});

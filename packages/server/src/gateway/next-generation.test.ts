import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { ConnectionTokenSigner } from "../core/connection-token.ts";
import type { Backend } from "../core/resource.ts";
import { makeSigningKey } from "../core/signing-keys.ts";
import { endedPatch, reachedPatch } from "../core/status.ts";
import { identityOf } from "../core/workload.ts";
import type { BackendStore } from "../engine/index.ts";
import { startGateway } from "./fixture.ts";

const keys = [makeSigningKey(new Date())];

/** A gateway whose watch of the records has stopped at the first generation; the second lives. */
async function setUp(first: "ended" | "ready") {
  let reads = 0;
  let hear: (old: Backend) => void = () => {};
  const seen = (store: BackendStore): BackendStore => ({
    create: (draft) => store.create(draft),
    list: (query) => store.list(query),
    patchStatus: (target, patch) => store.patchStatus(target, patch),
    requestStop: (target, request) => store.requestStop(target, request),
    delete: (target) => store.delete(target),
    get(name) {
      reads += 1;
      return store.get(name);
    },
    watch(onChange) {
      hear = (backend) => onChange({ kind: "changed", backend });
      onChange({ kind: "synced" });
      return () => {};
    },
  });
  const { backends, exchange } = await startGateway({ seen, signingKeys: () => keys });
  const program = createServer((_, response) => response.end("the second"));
  await new Promise<void>((resolve) => program.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void program.close());
  const { port } = program.address() as AddressInfo;
  const create = async () => {
    const backend = await backends.create({
      name: "b4x",
      spec: { template: { containers: [{}] }, requireToken: true },
    });
    const address = { ip: "127.0.0.1", port, nodeName: "n", workloadUID: "w" };
    return backends.patchStatus(backend.metadata, reachedPatch(backend, { Ready: new Date() }, address) ?? {});
  };
  const old = await create();
  const end = endedPatch(old, { reason: "Requested", message: "It was asked to end.", at: new Date() }) ?? {};
  const ended = await backends.patchStatus(old.metadata, end);
  await backends.delete(ended.metadata);
  const next = await create();
  hear(first === "ended" ? ended : old);
  const signer = new ConnectionTokenSigner(() => keys, { now: () => new Date() });
  const get = (backend: Backend) => {
    const { text } = signer.sign({ backend: identityOf(backend) }, { ttlSeconds: 60 }) ?? { text: "" };
    return exchange(`GET /b4x/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer ${text}\r\n\r\n`);
  };
  return { old, next, get, reads: () => reads };
}

test.each(["ended", "ready"] as const)(
  "whoever has a token of the next generation is served by it where only the one before, %s, was heard of",
  async (first) => {
    const { next, get, reads } = await setUp(first);
    const answer = await get(next);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toContain("the second");
    expect(reads()).toBe(1);
  },
);

test("a token of the generation before is not taken for the next one's", async () => {
  const { old, get } = await setUp("ended");
  expect(await get(old)).toMatch(/^HTTP\/1\.1 410 /);
});

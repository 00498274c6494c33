// Which tokens a gateway takes, shown at the gateway: how each is judged is beside core/connection-token.ts.
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { parseSigningKeys } from "../../packages/server/src/core/signing-keys.ts";
import { SigningKeysFile } from "../../packages/server/src/embedded/signing-keys-file.ts";
import { run as runGateway } from "../../packages/server/src/gateway/index.ts";
import { systemClock } from "../../packages/server/src/lib/clock.ts";
import { silentLog } from "../../packages/server/src/lib/log.ts";
import { Metrics } from "../../packages/server/src/lib/metrics.ts";
import { at, startConnecting } from "../support/connecting.ts";

type Json = Record<string, unknown>;

const encode = (value: Json) => Buffer.from(JSON.stringify(value)).toString("base64url");
const decode = (part = "") => JSON.parse(Buffer.from(part, "base64url").toString()) as Json;

/** A good token of a backend that is ready, and what it is made of. */
async function setUp() {
  const spawner = await startConnecting({ gracePeriodSeconds: 60 });
  const connected = await spawner.connect({ key: "doc", user: "ada" });
  await spawner.until(connected.backend, "Ready");
  const [key] = parseSigningKeys(readFileSync(join(spawner.stateDir, "signing-keys"), "utf8"));
  const [head, body] = connected.token.split(".");
  const { secret } = key ?? expect.unreachable("there is a key");
  return { ...spawner, ...connected, secret, header: decode(head), claims: decode(body) };
}

type Setting = Awaited<ReturnType<typeof setUp>>;

/** A token as anybody can write one who has this secret. */
function forge({ header, claims }: { header: Json; claims: Json }, secret: string, hash = "sha256"): string {
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${secret === "" ? "" : createHmac(hash, secret).update(input).digest("base64url")}`;
}

/** Statuses that it is answered by the URL, the field, the cookie, and as a WebSocket. */
async function statusesOf(base: string, token: string): Promise<number[]> {
  const statusOf = async (url: string, headers: Record<string, string> = {}) => (await fetch(url, { headers })).status;
  const upgraded = new Promise<number>((resolve) => {
    const socket = new WebSocket(`${base.replace("http", "ws")}?_spawner_token=${token}`);
    socket.on("error", () => {}); // it is not let in
    socket.on("open", () => {
      socket.close();
      resolve(101);
    });
    socket.on("unexpected-response", (request, { statusCode = 0 }) => {
      request.destroy();
      resolve(statusCode);
    });
  });
  return Promise.all([
    statusOf(`${base}echo?_spawner_token=${token}`),
    statusOf(`${base}echo`, { authorization: `Bearer ${token}` }),
    statusOf(`${base}echo`, { cookie: `spawner-token=${token}` }),
    upgraded,
  ]);
}

const letIn = [200, 200, 200, 101];
const refused = [401, 401, 401, 401];

const forgeries: readonly [what: string, make: (setting: Setting) => string][] = [
  ["no algorithm", ({ header, claims }) => forge({ header: { ...header, alg: "none" }, claims }, "")],
  ["no algorithm, in other letters", ({ header, claims }) => forge({ header: { ...header, alg: "nOnE" }, claims }, "")],
  [
    "no algorithm, and a signature",
    ({ header, claims, secret }) => forge({ header: { ...header, alg: "none" }, claims }, secret),
  ],
  [
    "another algorithm",
    ({ header, claims, secret }) => forge({ header: { ...header, alg: "HS512" }, claims }, secret, "sha512"),
  ],
  ["another key", ({ header, claims }) => forge({ header, claims }, "k".repeat(43))],
  ["no signature", ({ token }) => token.replace(/[^.]+$/, "")],
  [
    "another user's name in it",
    ({ token, claims }) => token.replace(/\.[^.]+\./, `.${encode({ ...claims, sub: "eve" })}.`),
  ],
  [
    "another audience",
    ({ header, claims, secret }) => forge({ header, claims: { ...claims, aud: "spawner.dev/api" } }, secret),
  ],
  ["no audience", ({ header, claims: { aud: _, ...claims }, secret }) => forge({ header, claims }, secret)],
  [
    "a kid that leads elsewhere",
    ({ header, claims, secret }) => forge({ header: { ...header, kid: "../../dev/null" }, claims }, secret),
  ],
];

test("a token opens what it is for, by the URL, the field, the cookie and as a WebSocket", async () => {
  const { header, claims, secret, ...setting } = await setUp();
  const base = at(setting.url, "/").replace(/\?.*/, "");
  expect(await statusesOf(base, setting.token)).toEqual(letIn);
  // The forgeries below differ from this one in what they say alone.
  expect(await statusesOf(base, forge({ header, claims }, secret))).toEqual(letIn);
});

test("one that somebody has made up opens nothing, in no way that it can be brought", async () => {
  const setting = await setUp();
  const base = at(setting.url, "/").replace(/\?.*/, "");
  for (const [what, make] of forgeries) {
    const forged = make(setting);
    expect(forged, what).not.toBe(setting.token);
    expect(await statusesOf(base, forged), what).toEqual(refused);
  }
});

test("another backend's token, and another generation's, open nothing", async () => {
  const { url, backend, token, connect, stop } = await setUp();
  const base = at(url, "/").replace(/\?.*/, "");
  const other = await connect({ key: "other", user: "ada" });
  expect(await statusesOf(base, other.token)).toEqual(refused);
  await stop(backend);
  const next = await connect({ key: "doc", user: "ada", waitReady: true });
  expect(next.backend).toBe(backend);
  expect(await statusesOf(base, token)).toEqual([410, 410, 410, 410]);
  expect(await statusesOf(base, next.token)).toEqual(letIn);
});

test.each([
  ["ahead", 30],
  ["behind", -30],
])(
  "a gateway whose clock is 30 s %s takes fresh tokens, and old ones until they are over by its own clock",
  async (_, seconds) => {
    const { engine, stateDir, url, backend, connect } = await setUp();
    const clock = { ...systemClock, now: () => new Date(Date.now() + seconds * 1_000) };
    const keys = new SigningKeysFile(stateDir, { clock, log: silentLog });
    const gateway = await runGateway(
      { host: "127.0.0.1", port: 0, servicePrefix: "spawner-", forwardedProto: "http", parkedMax: 10 },
      { engine, clock, log: silentLog, metrics: new Metrics(), signingKeys: () => keys.keys() },
    );
    onTestFinished(() => gateway.close());
    const base = `http://127.0.0.1:${gateway.port}/${backend}/`;
    expect(new URL(url).pathname).toBe(`/${backend}/`);
    const of = async (tokenTtlSeconds: number) => (await connect({ key: "doc", user: "ada", tokenTtlSeconds })).token;
    expect(await statusesOf(base, await of(60))).toEqual(letIn);
    // There is no leeway: one that lives no longer than the clocks differ is over there, or lives so much longer.
    expect(await statusesOf(base, await of(29))).toEqual(seconds > 0 ? refused : letIn);
  },
);

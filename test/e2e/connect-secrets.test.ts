// Where a token or a key must not be found: in what is logged, stored, or shown of processes.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ConnectRequest, ConnectResponse } from "@spawner/client";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { parseSigningKeys } from "../../packages/server/src/core/signing-keys.ts";
import { processesWithEnv } from "../../packages/server/src/lib/linux-processes.ts";
import { at } from "../support/connecting.ts";
import { startServed } from "../support/served.ts";

const program = fileURLToPath(new URL("../support/program.mjs", import.meta.url));

async function setUp() {
  const stateDir = mkdtempSync(join(tmpdir(), "spawner-secrets-"));
  const flags = ["--log-level", "debug"];
  const server = await startServed({ stateDir, command: [process.execPath, program], flags });
  onTestFinished(async () => {
    await server.close();
    server.killSessions();
    rmSync(stateDir, { recursive: true });
  });
  const post = (path: string, body: object) =>
    server.ask(`/api${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  return {
    ...server,
    stateDir,
    post,
    async connect(request: ConnectRequest) {
      const response = await post("/connect", request);
      expect(response.status).toBe(200);
      return (await response.json()) as ConnectResponse & { readonly url: string };
    },
  };
}

/** Has a token meet all that can become of one, the odd ways above all. */
async function useInEveryWay({ url, token, backend }: { url: string; token: string; backend: string }) {
  const statusOf = async (wanted: string, headers: Record<string, string> = {}) =>
    (await fetch(wanted, { headers: { ...headers, connection: "close" }, redirect: "manual" })).status;
  const socket = new WebSocket(url.replace("http", "ws"));
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  socket.close();
  const { origin } = new URL(url);
  const query = `_spawner_token=${token}`;
  const bare = `${origin}/${backend}/`;
  return [
    await statusOf(at(url, "/echo")),
    await statusOf(`${bare}echo`, { authorization: `Bearer ${token}` }),
    await statusOf(`${bare}echo`, { cookie: `spawner-token=${token}` }),
    await statusOf(`${bare}echo?${query}x`),
    await statusOf(`${origin}/${backend}?${query}`),
    await statusOf(`${origin}/nobody/?${query}`),
    await statusOf(`${origin}/api/backend/nobody/status?${query}`),
    await statusOf(`${origin}/api/no-such-route?${query}`, { authorization: `Bearer ${token}` }),
    await statusOf(`${bare}?${query}`, { "transfer-encoding": "gzip" }).catch(() => 400),
  ];
}

/** All that is in a folder, as it is stored. */
const storedIn = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== "signing-keys")
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"))
    .join("\n");

test("no token and no key is in the log, in what is stored but the keys' own file, or shown of any process", async () => {
  const server = await setUp();
  const { connect, post, stateDir, output, pid } = server;
  const ada = await connect({ key: "doc", user: "ada" });
  expect((await server.ask(`/${ada.backend}/echo`, { headers: { authorization: `Bearer ${ada.token}` } })).status).toBe(
    200,
  );
  expect(await useInEveryWay(ada)).toEqual([200, 200, 200, 401, 308, 404, 404, 404, 400]);
  const bob = await connect({ key: "doc", user: "bob" });
  expect((await post(`/backend/${bob.backend}/revoke`, { token: bob.token })).status).toBe(200);
  expect((await post(`/backend/${bob.backend}/revoke`, { token: `${bob.token}x` })).status).toBe(400);
  expect((await server.ask(`/${bob.backend}/?_spawner_token=${bob.token}`)).status).toBe(401);
  // While it is asked, the program ends.
  const poll = server.ask(`/${ada.backend}/poll?_spawner_token=${ada.token}`).then(({ status }) => status);
  const exit = server.ask(`/${ada.backend}/exit?code=1&_spawner_token=${ada.token}`).then(({ status }) => status);
  expect([410, 502]).toContain(await poll);
  expect([410, 502]).toContain(await exit);
  await output.waitFor(/"Failed"/);
  const next = await connect({ key: "doc", user: "ada", waitReady: true });
  expect((await server.ask(`/${ada.backend}/?_spawner_token=${ada.token}`)).status).toBe(410);

  const keys = parseSigningKeys(readFileSync(join(stateDir, "signing-keys"), "utf8")).map(({ secret }) => secret);
  const tokens = [ada, bob, next].map(({ token }) => token);
  // What is signed is no secret in itself, but says who may go where.
  const secrets = [...keys, ...tokens.flatMap((token) => token.split(".").slice(1))];
  expect(secrets).toHaveLength(7);
  const sessions = processesWithEnv("SERVED_STATE_DIR", stateDir).filter((other) => other !== pid);
  expect(sessions.length).toBeGreaterThan(0);
  const shown = [pid, ...sessions].flatMap((each) =>
    ["cmdline", "environ"].map(
      (file) => [`${file} of ${each}`, readFileSync(`/proc/${each}/${file}`, "latin1")] as const,
    ),
  );
  for (const [where, text] of [...shown, ["the log", output.text], ["the state folder", storedIn(stateDir)]] as const) {
    expect(text, where).not.toBe("");
    for (const secret of secrets) expect(text.includes(secret), `${secret} is in ${where}`).toBe(false);
  }
});

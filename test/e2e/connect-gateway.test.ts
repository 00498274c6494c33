import { type IncomingHttpHeaders, request } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { SigningKeysFile } from "../../packages/server/src/embedded/signing-keys-file.ts";
import { run as runGateway } from "../../packages/server/src/gateway/index.ts";
import { systemClock } from "../../packages/server/src/lib/clock.ts";
import { silentLog } from "../../packages/server/src/lib/log.ts";
import { Metrics } from "../../packages/server/src/lib/metrics.ts";
import { at, startConnecting } from "../support/connecting.ts";
import { eventually } from "../support/embedded.ts";

const appOrigin = "https://app.example.com";

async function setUp(overrides: Parameters<typeof startConnecting>[0] = {}) {
  const spawner = await startConnecting(overrides);
  return {
    ...spawner,
    /** Asks this server, whatever host is named, with these fields and no others. */
    ask: (path: string, headers: Record<string, string> = {}, method = "GET") =>
      askPort({ port: spawner.port, path, headers, method }),
  };
}

interface Asked {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

function askPort(options: {
  port: number;
  path: string;
  headers: Record<string, string>;
  method: string;
}): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", ...options }, (response) => {
      let body = "";
      response
        .on("data", (part) => {
          body += part;
        })
        .on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
        .on("error", reject);
    });
    sent.on("error", reject).end();
  });
}

/** What comes until the text does. */
function readUntil(options: { port: number; path: string; headers: Record<string, string> }, text: string) {
  return new Promise<string>((resolve, reject) => {
    let body = "";
    const sent = request({ host: "127.0.0.1", ...options }, (response) => {
      response.on("end", () => reject(new Error(`it has ended with ${body}`)));
      response.on("data", (part) => {
        body += part;
        if (!body.includes(text)) return;
        resolve(body);
        sent.destroy();
      });
    });
    sent.on("error", reject).end();
  });
}

/** How much is open by connection tokens. */
async function openByToken(url: string): Promise<number> {
  const text = await (await fetch(`${new URL(url).origin}/api/metrics`)).text();
  return Number(/^spawner_gateway_admitted_open (\d+)$/m.exec(text)?.[1]);
}

const browser = {
  accept: "text/html,application/xhtml+xml",
  "sec-fetch-mode": "navigate",
  "sec-fetch-dest": "document",
};

async function openSocket(url: string): Promise<{ socket: WebSocket; closed: Promise<void> }> {
  const socket = new WebSocket(url.replace(/^http/, "ws"));
  const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  socket.on("error", () => {}); // it is reset
  await new Promise((resolve) => socket.once("open", resolve).once("close", resolve));
  expect(socket.readyState).toBe(WebSocket.OPEN);
  return { socket, closed };
}

describe("revoking", () => {
  test("ends what the user has open, within a second, whatever it is, and nothing of others", async () => {
    const { connect, post, until } = await setUp({ gracePeriodSeconds: 60 });
    const ada = await connect({ key: "doc", user: "ada" });
    const bob = await connect({ key: "doc", user: "bob" });
    await until(ada.backend, "Ready");
    const socket = await openSocket(ada.url);
    const ofBob = await openSocket(bob.url);
    const events = await fetch(at(ada.url, "/events"));
    const download = await fetch(`${at(ada.url, "/download")}&kilobytes=10000`);
    const poll = fetch(at(ada.url, "/poll"));
    const downloadOfBob = await fetch(`${at(bob.url, "/download")}&kilobytes=10000`);
    const ends = [
      socket.closed,
      events.text().then(
        () => {},
        () => {},
      ),
      download.text().then(
        () => Promise.reject(new Error("a part of a download looks whole")),
        () => {},
      ),
      poll.then((response) => expect(response.status).toBe(401)),
    ];
    // Those are with the program now, the poll too.
    await eventually("all is open", async () => (await openByToken(ada.url)) === 6);
    const revokedAt = performance.now();
    expect((await post(`/backend/${ada.backend}/revoke`, { user: "ada" })).status).toBe(200);
    await Promise.all(ends);
    expect(performance.now() - revokedAt).toBeLessThan(1_000);

    const echoed = new Promise((resolve) => ofBob.socket.once("message", (data) => resolve(String(data))));
    ofBob.socket.send("still here");
    expect(await echoed).toBe("still here");
    await eventually("no more is open than Bob's", async () => (await openByToken(ada.url)) === 2);
    await downloadOfBob.body?.cancel();
    ofBob.socket.close();
    await eventually("nothing is open", async () => (await openByToken(ada.url)) === 0);
  });

  test("one token ends what was let in by that, and not the user's other one", async () => {
    const { connect, post, until } = await setUp({ gracePeriodSeconds: 60 });
    const first = await connect({ key: "doc", user: "ada" });
    const second = await connect({ key: "doc", user: "ada" });
    await until(first.backend, "Ready");
    const [one, other] = [await openSocket(first.url), await openSocket(second.url)];
    await post(`/backend/${first.backend}/revoke`, { token: first.token });
    await one.closed;
    expect(other.socket.readyState).toBe(WebSocket.OPEN);
    other.socket.close();
  });

  test("reaches another gateway as well, and nothing is kept of what was broken off", async () => {
    const { connect, post, until, engine, stateDir } = await setUp({ gracePeriodSeconds: 60 });
    const { backend, url } = await connect({ key: "doc", user: "ada" });
    await until(backend, "Ready");
    const metrics = new Metrics();
    const keys = new SigningKeysFile(stateDir, { clock: systemClock, log: silentLog });
    const other = await runGateway(
      { host: "127.0.0.1", port: 0, servicePrefix: "spawner-", forwardedProto: "http", parkedMax: 10 },
      { engine, clock: systemClock, log: silentLog, metrics, signingKeys: () => keys.keys() },
    );
    onTestFinished(() => other.close());
    const there = url.replace(new URL(url).host, `127.0.0.1:${other.port}`);
    const openThere = async () => Number(/^spawner_gateway_admitted_open (\d+)$/m.exec(await metrics.text())?.[1]);

    for (let round = 0; round < 20; round += 1) {
      const leaving = new AbortController();
      const download = (path: string) => fetch(`${at(there, path)}&kilobytes=1000`, { signal: leaving.signal });
      const asked = [download("/download"), download("/download"), download("/poll"), download("/echo")];
      const { socket } = await openSocket(there);
      await asked[0];
      leaving.abort();
      socket.terminate();
      await Promise.allSettled(asked);
    }
    await eventually("all of it is forgotten", async () => (await openThere()) === 0, 20_000);

    const { closed } = await openSocket(there);
    expect(await openThere()).toBe(1);
    const revokedAt = performance.now();
    await post(`/backend/${backend}/revoke`, { user: "ada" });
    await closed;
    expect(performance.now() - revokedAt).toBeLessThan(1_000);
    expect(await openThere()).toBe(0);
    expect((await fetch(at(there, "/echo"))).status).toBe(401);
  });

  test("answers a request that waits for its backend to start", async () => {
    const { connect, post } = await setUp();
    const { backend, url } = await connect({ key: "doc", user: "ada", env: { LISTEN_AFTER_MS: "20000" } });
    const parked = fetch(at(url, "/echo"));
    await new Promise((resolve) => setImmediate(resolve));
    await post(`/backend/${backend}/revoke`, { user: "ada" });
    expect((await parked).status).toBe(401);
  });
});

describe("a browser that opens a session", () => {
  test("is shown that it starts, without the token in the URL; other clients wait", async () => {
    const { connect, ask, until } = await setUp();
    const { backend, url, token } = await connect({ key: "doc", env: { LISTEN_AFTER_MS: "700" } });
    const { pathname, search } = new URL(url);
    const redirect = await ask(`${pathname}${search}`, browser);
    expect(redirect).toMatchObject({ status: 302, headers: { location: `/${backend}/`, "cache-control": "no-store" } });
    const cookie = `spawner-token=${token}`;
    expect(await ask(pathname, browser)).toMatchObject({ status: 401 });
    const page = await ask(pathname, { ...browser, cookie });
    expect(page).toMatchObject({
      status: 503,
      headers: {
        "content-type": "text/html; charset=utf-8",
        "retry-after": "1",
        "cache-control": "no-store",
        "content-security-policy": expect.stringContaining("default-src 'none'; script-src 'self'"),
      },
    });
    expect(page.body).toContain(`data-stream="/api/backend/${backend}/status/stream"`);
    expect(page.body).not.toContain(token);
    expect(await ask("/_spawner/waiting.js")).toMatchObject({
      status: 200,
      body: expect.stringContaining("EventSource"),
    });
    expect(await ask("/_spawner/waiting.css", {}, "POST")).toMatchObject({ status: 405 });
    expect(await ask("/_spawner/x")).toMatchObject({ status: 404 });
    expect(await ask(`${pathname}echo`, { cookie })).toMatchObject({ status: 200 }); // it has waited
    await until(backend, "Ready");
    expect(await ask(pathname, { ...browser, cookie })).toMatchObject({ status: 200, body: "GET /" });
  });

  test("all of the page is less than 4 kB", async () => {
    const { connect, ask } = await setUp();
    const { url, token } = await connect({ key: "doc", env: { LISTEN_AFTER_MS: "5000" } });
    const page = await ask(new URL(url).pathname, { ...browser, cookie: `spawner-token=${token}` });
    const files = await Promise.all(["/_spawner/waiting.js", "/_spawner/waiting.css"].map((path) => ask(path)));
    const bytes = [page, ...files].reduce((sum, { body }) => sum + Buffer.byteLength(body), 0);
    console.log(`waiting page with script and style: ${bytes} bytes`);
    expect(bytes).toBeLessThan(4_096);
  });

  test("is told by a page that it is over and why, with nothing in it that could be run; others get JSON", async () => {
    const command = [process.execPath, "--require=/<script>alert(1)</script>", "-e", ""];
    const { spawn, until, ask } = await setUp({ template: { command, cwd: "/" } });
    const { name } = await spawn();
    await until(name, "Failed");
    const page = await ask(`/${name}/`, browser);
    expect(page).toMatchObject({ status: 410, headers: { "content-type": "text/html; charset=utf-8" } });
    expect(page.body).toContain("The session has failed");
    expect(page.body).toContain("(Crashed)");
    expect(page.body).not.toContain("<script>");
    const other = await ask(`/${name}/`, { accept: "*/*" });
    expect(other).toMatchObject({ status: 410, headers: { "content-type": "application/json; charset=utf-8" } });
  });

  test("waits as others do where no page is wanted", async () => {
    const { spawn, ask } = await setUp({ waitingPage: false });
    const { name } = await spawn({ env: { LISTEN_AFTER_MS: "300" } });
    expect(await ask(`/${name}/`, browser)).toMatchObject({ status: 200, body: "GET /" });
  });
});

describe("on a host of its own", () => {
  test("a session has its whole path, no prefix, and a cookie that no other host can set", async () => {
    const hosts = { hostDomain: "play.example.com", publicUrl: "https://play.example.com" };
    const { connect, ask, until } = await setUp({ ...hosts, allowedHosts: ["127.0.0.1", "play.example.com"] });
    const { backend, url, token } = await connect();
    expect(url).toBe(`https://${backend}.play.example.com/?_spawner_token=${token}`);
    await until(backend, "Ready");
    const host = `${backend}.play.example.com`;

    const redirect = await ask(`/echo?_spawner_token=${token}`, { ...browser, host });
    expect(redirect).toMatchObject({ status: 302, headers: { location: "/echo" } });
    const [set = ""] = redirect.headers["set-cookie"] ?? [];
    expect(set).toMatch(/^__Host-spawner-token=[^;]+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax; Secure$/);
    const cookie = set.split(";")[0] ?? "";

    const echo = await ask("/echo?a=1", { host, cookie: `${cookie}; mine=1`, "x-forwarded-prefix": "/forged" });
    expect(JSON.parse(echo.body)).toMatchObject({ url: "/echo?a=1", headers: { cookie: "mine=1", host } });
    expect(JSON.parse(echo.body).headers).not.toHaveProperty("x-forwarded-prefix");
    const program = await ask("/redirect", { host, cookie });
    expect(program).toMatchObject({ headers: { location: "/echo", "set-cookie": ["a=b; Path=/; HttpOnly"] } });
    expect(await ask("/api/backends", { host, cookie })).toMatchObject({ body: "GET /api/backends" });

    // A cookie of the other name proves nothing here: any host below the domain can set that.
    expect(await ask("/echo", { host, cookie: `spawner-token=${token}` })).toMatchObject({ status: 401 });
    expect(await ask(`/${backend}/echo`, { authorization: `Bearer ${token}` })).toMatchObject({ status: 200 });
  });

  test("no path of it leads to another host", async () => {
    const { connect, ask, until } = await setUp({ hostDomain: "localhost" });
    const { backend, token } = await connect();
    await until(backend, "Ready");
    for (const path of ["//evil.example/", "/\\evil.example/", "//evil.example", "/\\/evil.example"]) {
      const { status, headers } = await ask(`${path}?_spawner_token=${token}`, {
        ...browser,
        host: `${backend}.localhost`,
      });
      expect(status).toBe(302);
      expect(new URL(headers.location ?? "", "http://here.localhost").host).toBe("here.localhost");
    }
  });

  test("an unknown, a reserved and a deeper one are 404; the page of a start follows it on its own host", async () => {
    const { spawn, ask, port } = await setUp({ hostDomain: "localhost" });
    for (const host of ["nobody.localhost", "api.localhost", "a.b.localhost", ".localhost"]) {
      expect(await ask("/", { host }), host).toMatchObject({ status: 404 });
    }
    const { name } = await spawn({ env: { LISTEN_AFTER_MS: "1000" } });
    const host = `${name}.LOCALHOST:8080`;
    const page = await ask("/", { ...browser, host });
    expect(page).toMatchObject({ status: 503, body: expect.stringContaining('data-stream="/_spawner/status/stream"') });
    expect(await readUntil({ port, path: "/_spawner/status/stream", headers: { host } }, "Ready")).toContain(
      "Submitted",
    );
  });
});

describe("pages of other origins", () => {
  const preflight = {
    origin: appOrigin,
    "access-control-request-method": "PUT",
    "access-control-request-headers": "authorization,last-event-id",
  };
  const readable = { "access-control-allow-origin": appOrigin };

  test("may use a session and read its state where their origin is allowed", async () => {
    const { connect, ask, until } = await setUp({ allowedOrigins: [appOrigin] });
    const { backend, token } = await connect();
    await until(backend, "Ready");
    for (const path of [`/${backend}/echo`, `/api/backend/${backend}/status/stream`, "/nobody/"]) {
      expect(await ask(path, preflight, "OPTIONS")).toMatchObject({
        status: 200,
        headers: {
          ...readable,
          "access-control-allow-methods": "PUT",
          "access-control-allow-headers": "authorization,last-event-id",
          vary: expect.stringContaining("origin"),
        },
      });
    }
    const bearer = { origin: appOrigin, authorization: `Bearer ${token}` };
    const answer = await ask(`/${backend}/echo`, bearer);
    expect(answer).toMatchObject({ status: 200, headers: { ...readable, vary: "origin" } });
    expect(JSON.parse(answer.body).headers).not.toHaveProperty("authorization");
    expect(await ask(`/${backend}/echo`, { origin: appOrigin })).toMatchObject({
      status: 401,
      headers: { ...readable, "www-authenticate": 'Bearer realm="spawner"' },
    });
    expect(await ask(`/api/backend/${backend}/status`, { origin: appOrigin })).toMatchObject({
      status: 200,
      headers: readable,
    });
    expect(await ask("/nobody/", { origin: appOrigin })).toMatchObject({ status: 404, headers: readable });
    expect((await ask("/api/backends", { origin: appOrigin })).headers).not.toMatchObject(readable);
    const forOthers = await ask(`/${backend}/echo`, { authorization: `Bearer ${token}` });
    expect(forOthers.headers).toMatchObject({ vary: "origin" });
    expect(forOthers.headers).not.toHaveProperty("access-control-allow-origin");
  });

  test("get nothing where theirs is another, and of an open session what its program says", async () => {
    const { connect, spawn, ask, until } = await setUp({ allowedOrigins: [appOrigin] });
    const { backend, token } = await connect();
    await until(backend, "Ready");
    for (const origin of ["https://evil.example", "https://app.example.com.evil.example", "null", `${appOrigin}:444`]) {
      const asked = await ask(`/${backend}/echo`, { ...preflight, origin }, "OPTIONS");
      expect(asked.status).toBe(401);
      const answered = await ask(`/${backend}/echo`, { origin, authorization: `Bearer ${token}` });
      for (const { headers } of [asked, answered]) expect(headers).not.toHaveProperty("access-control-allow-origin");
    }
    const { name } = await spawn();
    await until(name, "Ready");
    const ofProgram = await ask(`/${name}/`, preflight, "OPTIONS");
    expect(ofProgram).toMatchObject({ status: 200, body: "OPTIONS /" });
    expect(ofProgram.headers).not.toHaveProperty("access-control-allow-origin");
  });
});

test("with a port of its own for the API, the gateway has its public routes alone", async () => {
  const { spawn, controlPort = 0, ask } = await setUpWithControl();
  const { name } = await spawn();
  for (const path of [`/backend/${name}/status`, `/backend/${name}/ready`, "/healthz", "/openapi.json"]) {
    expect((await ask(`/api${path}`)).status, path).not.toBe(404);
  }
  for (const path of ["/backends", `/backend/${name}`, `/backend/${name}/logs`, "/metrics", "/spawn", "/connect"]) {
    for (const spelling of [path, `/${path}`, `/.${path}`, `${path}/`, path.replace("b", "%62")]) {
      expect(await ask(`/api${spelling}`), spelling).toMatchObject({ status: 404 });
    }
  }
  const own = await askPort({ port: controlPort, path: "/backends", headers: {}, method: "GET" });
  expect(own.status).toBe(200);
  expect(own.body).toContain(name);
});

async function setUpWithControl() {
  const spawner = await setUp({ control: { host: "127.0.0.1", port: 0 } });
  return {
    ...spawner,
    spawn: async () => {
      const response = await fetch(`http://127.0.0.1:${spawner.controlPort}/spawn`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}",
      });
      return (await response.json()) as { name: string };
    },
  };
}

test("--require-token closes sessions of /spawn too", async () => {
  const { spawn, ask, until } = await setUp({ requireToken: true });
  const { name } = await spawn();
  await until(name, "Ready");
  expect(await ask(`/${name}/`)).toMatchObject({ status: 401 });
});

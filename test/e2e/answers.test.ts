import { connect } from "node:net";
import type { ErrorBody } from "@spawner/client";
import { describe, expect, test } from "vitest";
import { eventually, startEmbedded, type TestSpawner } from "../support/embedded.ts";

/** Sends bytes, and reads until the connection ends. */
function exchange({ port }: TestSpawner, text: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port });
    let answer = "";
    socket.setTimeout(20_000, () => reject(new Error(`no answer in time: ${answer}`)));
    socket.on("data", (bytes) => {
      answer += bytes;
    });
    socket.on("error", reject).on("close", () => resolve(answer));
    socket.write(text);
  });
}

function get(target: string, headers = ""): string {
  return `GET ${target} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n${headers}\r\n`;
}

function errorIn(answer: string): ErrorBody & { status: number } {
  const body = JSON.parse(answer.slice(answer.indexOf("\r\n\r\n") + 4)) as ErrorBody;
  return { ...body, status: Number(answer.split(" ")[1]) };
}

describe("a request always gets an answer", () => {
  test("before the program listens: it waits, and is served", async () => {
    const spawner = await startEmbedded();
    const { url } = await spawner.spawn({ env: { LISTEN_AFTER_MS: "700" } });
    const response = await fetch(`${url}echo`);
    expect(response.status).toBe(200);
  });

  test("while the program dies: 410 with the reason, or 502, never a bare reset", async () => {
    const spawner = await startEmbedded();
    const { name: id, url } = await spawner.spawn();
    await spawner.until(id, "Ready");
    const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => fetch(`${url}exit?code=3&i=${i}`)));
    for (const answer of answers) {
      expect([410, 502]).toContain(answer.status);
      expect(await answer.json()).toMatchObject({ code: expect.stringMatching(/backend_ended|upstream_failed/) });
    }
  });

  test("after the program has died: 410, with its exit code", async () => {
    const spawner = await startEmbedded();
    const { name: id, url } = await spawner.spawn();
    await spawner.until(id, "Ready");
    await fetch(`${url}exit?code=3`);
    const failed = await spawner.until(id, "Failed");
    expect(failed).toMatchObject({ reason: "Crashed", message: expect.stringContaining("code 3") });
    const response = await fetch(url);
    expect(response.status).toBe(410);
    expect(await response.json()).toMatchObject({
      code: "backend_ended",
      message: expect.stringContaining("Crashed"),
      id: expect.any(String),
    });
  });

  test("when the backend failed while the request waited", async () => {
    const spawner = await startEmbedded({ template: { command: ["/nowhere/at/all"], cwd: "/" } });
    const { url } = await spawner.spawn();
    const response = await fetch(url);
    expect(response.status).toBe(410);
    expect(((await response.json()) as ErrorBody).message).toContain("StartError");
  });

  test("when too many wait: 503 and when to come again", async () => {
    const spawner = await startEmbedded({ parkedMax: 2 });
    const { url } = await spawner.spawn({ env: { LISTEN_AFTER_MS: "1500" } });
    const answers = await Promise.all(Array.from({ length: 5 }, () => fetch(url)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 503, 503, 503]);
    expect(answers.find(({ status }) => status === 503)?.headers.get("retry-after")).toBe("1");
  });
});

describe("a request reaches no other session", () => {
  /** Every way that a request of the first session might be turned towards the second. */
  const tricks: [string, (ids: { mine: string; other: string }) => string][] = [
    ["a path that climbs", ({ mine, other }) => get(`/${mine}/../${other}/echo`)],
    ["an encoded path that climbs", ({ mine, other }) => get(`/${mine}/..%2f${other}/echo`)],
    ["a forged backend header", ({ mine, other }) => get(`/${mine}/echo`, `x-spawner-backend: spawner-${other}/1\r\n`)],
    [
      "forwarding headers",
      ({ mine, other }) => get(`/${mine}/echo`, `x-forwarded-prefix: /${other}\r\nx-original-url: /${other}/echo\r\n`),
    ],
    [
      "an absolute target",
      ({ mine, other }) => get(`http://localhost/${mine}/echo`, `x-original-url: /${other}/echo\r\n`),
    ],
  ];

  test.each(tricks)("by %s", async (_, trick) => {
    const spawner = await startEmbedded();
    const [{ name: mine }, { name: other }] = await Promise.all([spawner.spawn(), spawner.spawn()]);
    await Promise.all([spawner.until(mine, "Ready"), spawner.until(other, "Ready")]);
    const [otherPid] = await spawner.processesOf(other);
    const answer = await exchange(spawner, trick({ mine, other }));
    expect(answer).toMatch(/^HTTP\/1.1 200 OK/);
    expect(answer).not.toContain(`"pid":${otherPid}`);
  });

  test.each([
    ["upper case", (id: string) => `/${id.toUpperCase()}/echo`],
    ["percent-encoded", (id: string) => `/%${id.charCodeAt(0).toString(16)}${id.slice(1)}/echo`],
    ["with a dot behind it", (id: string) => `/${id}./echo`],
    ["behind an empty segment", (id: string) => `//${id}/echo`],
    ["with a semicolon", (id: string) => `/${id};a=b/echo`],
    ["the resource's name", (id: string) => `/spawner-${id}/echo`],
  ])("an id is what it is, byte for byte: %s is another, and unknown", async (_, target) => {
    const spawner = await startEmbedded();
    const { name: id } = await spawner.spawn();
    const answer = errorIn(await exchange(spawner, get(target(id))));
    expect(answer).toMatchObject({ status: 404, code: "not_found", message: expect.stringContaining("no backend") });
  });

  test("pipelined requests for two sessions on one connection get each its own answer", async () => {
    const spawner = await startEmbedded();
    const [{ name: a }, { name: b }] = await Promise.all([spawner.spawn(), spawner.spawn()]);
    const keep = (id: string) => `GET /${id}/echo HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`;
    const answer = await exchange(spawner, keep(a) + keep(b) + keep(a) + get(`/${b}/echo`));
    const pids = [...answer.matchAll(/"pid":(\d+)/g)].map(([, pid]) => Number(pid));
    const [[pidA], [pidB]] = await Promise.all([spawner.processesOf(a), spawner.processesOf(b)]);
    expect(pids).toEqual([pidA, pidB, pidA, pidB]);
  });

  test("another Host is refused, on the gateway and on the API behind it", async () => {
    const spawner = await startEmbedded();
    const { name: id } = await spawner.spawn();
    for (const path of [`/${id}/`, "/", "/api/backends"]) {
      const answer = await exchange(spawner, `GET ${path} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n`);
      expect(errorIn(answer)).toMatchObject({ status: 403, code: "forbidden_host" });
    }
  });

  test("what only Spawner may say never comes from outside", async () => {
    const spawner = await startEmbedded();
    const { name: id } = await spawner.spawn();
    const answer = await exchange(
      spawner,
      get(`/${id}/echo`, "X-Spawner-User: forged-user\r\nx-spawner-auth: forged-auth\r\nx-forwarded-for: 6.6.6.6\r\n"),
    );
    expect(answer).not.toContain("forged-user");
    expect(answer).not.toContain("forged-auth");
    expect(answer).not.toContain("6.6.6.6");
    expect(answer).toContain(`"x-forwarded-prefix":"/${id}"`);
  });
});

test("paths and cookies that a program gives are put under its prefix", async () => {
  const spawner = await startEmbedded();
  const { name: id, url } = await spawner.spawn();
  const response = await fetch(`${url}redirect`, { redirect: "manual" });
  expect(response.headers.get("location")).toBe(`/${id}/echo`);
  expect(response.headers.get("set-cookie")).toBe(`a=b; Path=/${id}/; HttpOnly`);
  const unslashed = await fetch(url.replace(/\/$/, "?a=b"), { redirect: "manual" });
  expect(unslashed.status).toBe(308);
  expect(unslashed.headers.get("location")).toBe(`/${id}/?a=b`);
});

test("the query and the path arrive byte for byte", async () => {
  const spawner = await startEmbedded();
  const { name: id } = await spawner.spawn();
  const answer = await exchange(spawner, get(`/${id}/a%2Fb//c/./d?q=%20+&&x==%zz`));
  expect(answer).toContain("GET /a%2Fb//c/./d?q=%20+&&x==%zz");
});

test("DELETE ends a backend gracefully, and its record says so", async () => {
  const spawner = await startEmbedded();
  const { name: id } = await spawner.spawn();
  await spawner.until(id, "Ready");
  await spawner.stop(id);
  expect(await spawner.until(id, "Swept")).toMatchObject({ reason: "Requested" });
  await eventually("its process is gone", async () => (await spawner.processesOf(id)).length === 0);
  expect((await spawner.backend(id)).transitions.map(({ state }) => state)).toEqual([
    "Submitted",
    "Constructed",
    "Scheduled",
    "Running",
    "Ready",
    "Stopping",
    "Swept",
  ]);
});

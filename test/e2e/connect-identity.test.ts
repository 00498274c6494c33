// Who asks is said by the token alone, and no user's credentials get to anybody but the gateway.
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { startConnecting } from "../support/connecting.ts";

const program = fileURLToPath(new URL("../support/heads-program.mjs", import.meta.url));

/** What a program was told, with lower-case names. */
interface Told {
  readonly head: (readonly [name: string, value: string])[];
  readonly trailers: (readonly [name: string, value: string])[];
}

async function setUp(overrides: Parameters<typeof startConnecting>[0] = {}) {
  const spawner = await startConnecting({
    gracePeriodSeconds: 60,
    template: { command: [process.execPath, program], cwd: process.cwd() },
    ...overrides,
  });
  return {
    ...spawner,
    /** Sends bytes, and resolves to all that comes back. */
    exchange: (text: string) =>
      new Promise<string>((resolve) => {
        let answer = "";
        const socket: Socket = connect({ host: "127.0.0.1", port: spawner.port });
        onTestFinished(() => void socket.destroy());
        socket.on("error", () => {}); // closed follows
        socket.on("close", () => resolve(answer));
        socket.on("data", (bytes) => {
          answer += bytes;
        });
        socket.write(text);
      }),
  };
}

function toldIn(answer: string): Told {
  const { head, trailers } = JSON.parse(/\{.*\}/s.exec(answer)?.[0] ?? "null") as {
    head: string[];
    trailers: string[];
  };
  const pairs = (list: string[]) =>
    list.flatMap((name, index) => (index % 2 === 0 ? [[name.toLowerCase(), list[index + 1] ?? ""] as const] : []));
  return { head: pairs(head), trailers: pairs(trailers) };
}

/** What a program that takes any other character for a `-` finds under this name. */
const found = ({ head }: Told, wanted: string) =>
  head.flatMap(([name, value]) => (name.replace(/[^a-z0-9]/g, "-") === wanted ? [value] : []));

const forgeries = [
  "X-Spawner-User: eve\r\nX-Spawner-Auth: eve",
  "x-spawner-user: eve\r\nX-SPAWNER-USER: eve\r\nx-spawner-auth: eve\r\nX-Spawner-Auth: eve",
  "X_Spawner_User: eve\r\nx-spawner_user: eve\r\nX_SPAWNER-AUTH: eve",
  "X.Spawner.User: eve\r\nx~spawner~auth: eve",
  "X-Spawner-User:\r\nx-spawner-auth:",
  "Connection: X-Spawner-User, x_spawner_auth\r\nX-Spawner-User: eve",
];

const asWhom = [
  ["a user who is named", { user: "ada", auth: { role: "teacher" } }, ["ada"], 1],
  ["somebody who is not", {}, [], 0],
] as const;

describe.each(asWhom)("of %s", (_, request, user, auths) => {
  test("a program is told who it is once, whatever its client says, in requests and upgrades", async () => {
    const { connect, exchange, until } = await setUp();
    const { backend, token } = await connect({ key: "doc", ...request });
    await until(backend, "Ready");
    const start = `GET /${backend}/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\n`;
    for (const forged of forgeries) {
      const isNamed = forged.startsWith("Connection: ");
      const plain = `${start}${isNamed ? forged.replace(": ", ": close, ") : `Connection: close\r\n${forged}`}\r\n\r\n`;
      const upgrade = `${start}Upgrade: told\r\n${isNamed ? forged.replace(": ", ": Upgrade, ") : `Connection: Upgrade\r\n${forged}`}\r\n\r\n`;
      for (const [text, status] of [
        [plain, "200"],
        [upgrade, "101"],
      ] as const) {
        const answer = await exchange(text);
        expect(answer.split(" ")[1], answer).toBe(status);
        const told = toldIn(answer);
        expect(found(told, "x-spawner-user"), forged).toEqual(user);
        expect(found(told, "x-spawner-auth"), forged).toHaveLength(auths);
        expect(JSON.stringify(told)).not.toMatch(/eve/);
        // Whoever reads Connection in the program's place drops what it names.
        expect(found(told, "connection").join()).not.toMatch(/spawner/i);
        expect(found(told, "authorization")).toEqual([]);
      }
    }
  });
});

test("nobody says who they are behind a body, where programs that merge trailers would read it", async () => {
  const { connect, exchange, until } = await setUp();
  const { backend, token } = await connect({ key: "doc", user: "ada" });
  await until(backend, "Ready");
  const send = (trailer: string) =>
    exchange(
      `POST /${backend}/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n${trailer}\r\n\r\n`,
    );
  expect(toldIn(await send("X-Sum: 1")).trailers).toEqual([["x-sum", "1"]]);
  for (const name of ["X-Spawner-User", "x_spawner_auth", "X-Spawner-Backend", "X-Forwarded-For", "Forwarded"]) {
    expect(await send(`${name}: eve`), name).toMatch(/^HTTP\/1\.1 400 .*belongs into the head/s);
  }
});

describe("a user's cookie", () => {
  test.each([
    ["paths", {}],
    ["hosts", { hostDomain: "play.example.com", publicUrl: "https://play.example.com" }],
  ])("opens nothing of another backend's, and reaches no program, on %s of their own", async (_, overrides) => {
    const onHosts = "hostDomain" in overrides;
    const { connect, exchange, until } = await setUp({
      ...overrides,
      allowedHosts: ["127.0.0.1", "play.example.com"],
    });
    const [ours, theirs] = [await connect({ key: "a", user: "ada" }), await connect({ key: "b", user: "bob" })];
    await Promise.all([until(ours.backend, "Ready"), until(theirs.backend, "Ready")]);
    const ask = (backend: string, rest: string, query = "") => {
      const host = onHosts ? `${backend}.play.example.com` : "127.0.0.1";
      return exchange(
        `GET ${onHosts ? "/" : `/${backend}/`}${query} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${rest}\r\n\r\n`,
      );
    };
    const redirect = await ask(ours.backend, "Sec-Fetch-Mode: navigate", `?_spawner_token=${ours.token}`);
    const [, set = ""] = /^set-cookie: ([^\r]*)/im.exec(redirect) ?? [];
    // The browser's part: to send it to no other path, or to no other host.
    if (onHosts) expect(set).toMatch(/^__Host-spawner-token=[^;]+; Path=\/; (?!.*Domain)/);
    else expect(set).toContain(`; Path=/${ours.backend}/;`);
    const [cookie = ""] = set.split(";");

    const told = toldIn(await ask(ours.backend, `Cookie: a=1; ${cookie}`));
    expect(found(told, "cookie")).toEqual(["a=1"]);
    expect(found(told, "x-spawner-user")).toEqual(["ada"]);
    // Ours, where a client sends it there all the same.
    expect(await ask(theirs.backend, `Cookie: ${cookie}`)).toMatch(/^HTTP\/1\.1 401 /);
    const mixed = toldIn(await ask(theirs.backend, `Cookie: ${cookie}; ${cookie.split("=")[0]}=${theirs.token}`));
    expect(found(mixed, "x-spawner-user")).toEqual(["bob"]);
    expect(JSON.stringify(mixed)).not.toContain(ours.token);
    // A session that asks for no token is not given others' either.
    const open = await exchange(
      `POST /api/spawn HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`,
    );
    const { name } = JSON.parse(/\{.*\}/s.exec(open)?.[0] ?? "null") as { name: string };
    await until(name, "Ready");
    const brought = `Cookie: ${cookie}; b=2\r\nReferer: ${ours.url}\r\nAuthorization: Bearer ${ours.token}`;
    const stranger = toldIn(await ask(name, `${brought}\r\nX-Spawner-User: eve`));
    expect(found(stranger, "cookie")).toEqual(["b=2"]);
    expect(JSON.stringify(stranger)).not.toMatch(new RegExp(`${ours.token}|eve`));
  });
});

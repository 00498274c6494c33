import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, onTestFinished } from "vitest";
import { eventually } from "../support/cluster/eventually.ts";
import { faultTest } from "../support/cluster/faults.ts";
import { breakNetwork, type NetFault } from "../support/cluster/net-fault.ts";

const ip = "127.0.0.1";

/** A server that echoes, and a client of it. */
async function openEcho() {
  const server = createServer((socket) => void socket.on("error", () => {}).pipe(socket));
  server.listen({ port: 0, host: ip });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  onTestFinished(() => void server.close());
  const dial = async () => {
    const socket = connect({ port, host: ip }).on("error", () => {});
    onTestFinished(() => void socket.destroy());
    await once(socket, "connect", { signal: AbortSignal.timeout(1_000) });
    return socket;
  };
  const break_ = (kind: NetFault["kind"]) => {
    const mend = breakNetwork({ ip, port, kind });
    onTestFinished(mend);
    return mend;
  };
  return { dial, break: break_ };
}

async function echo(socket: Socket, text: string): Promise<string> {
  const answered = once(socket, "data", { signal: AbortSignal.timeout(1_000) });
  socket.write(text);
  return String((await answered)[0]);
}

const rules = () => execFileSync("iptables", ["-w", "10", "-S"], { encoding: "utf8" });

for (const kind of ["drop", "drop answers"] as const) {
  faultTest(`${kind}: nothing comes through, and nobody is told; then what was sent comes after all`, async () => {
    const { dial, break: break_ } = await openEcho();
    const socket = await dial();
    expect(await echo(socket, "before")).toBe("before");
    const mend = break_(kind);
    await expect(echo(socket, "meanwhile")).rejects.toThrow();
    await expect(dial()).rejects.toThrow();
    expect(socket.destroyed).toBe(false);
    const late = once(socket, "data");
    mend();
    expect(String((await late)[0])).toBe("meanwhile");
    expect(await echo(await dial(), "after")).toBe("after");
  });
}

faultTest("reset: connections end at their next word, and new ones are refused", async () => {
  const { dial, break: break_ } = await openEcho();
  const socket = await dial();
  const mend = break_("reset");
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.write("meanwhile");
  await closed;
  await expect(dial()).rejects.toThrow("ECONNREFUSED");
  mend();
  expect(await echo(await dial(), "after")).toBe("after");
});

faultTest("nothing of a fault stays once it is mended", async () => {
  const { break: break_ } = await openEcho();
  const mend = break_("drop");
  expect(rules()).toContain("SPAWNER-TEST");
  mend();
  mend();
  expect(rules()).not.toContain(`SPAWNER-TEST-${process.pid}`);
});

faultTest("nothing of a fault stays of a process that is killed", async () => {
  const module = new URL("../support/cluster/net-fault.ts", import.meta.url).href;
  const breaks = `import { breakNetwork } from ${JSON.stringify(module)};
    breakNetwork({ ip: "${ip}", port: 1, kind: "drop" });
    console.log("broken");
    setInterval(() => {}, 1e6);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", breaks], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout, "data");
  const chain = `SPAWNER-TEST-${child.pid}`;
  expect(rules()).toContain(chain);
  child.kill("SIGKILL");
  await eventually(() => expect(rules()).not.toContain(chain));
});

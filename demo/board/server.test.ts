import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test, vi } from "vitest";
import { WebSocket } from "ws";

const server = fileURLToPath(new URL("server.js", import.meta.url));

interface Message {
  type: string;
  [field: string]: unknown;
}

async function startBoard() {
  const child: ChildProcess = spawn(process.execPath, [server], { env: { ...process.env, PORT: "0" } });
  onTestFinished(() => void child.kill("SIGKILL"));
  const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  const url = await new Promise<string>((resolve) =>
    child.stdout?.once("data", (bytes) => resolve(/http:\S+/.exec(String(bytes))?.[0] ?? "")),
  );
  const join = async () => {
    const socket = new WebSocket(new URL("socket", url.replace("http", "ws")));
    onTestFinished(() => socket.terminate());
    const heard: Message[] = [];
    let closeCode: number | undefined;
    socket.on("message", (data) => heard.push(JSON.parse(String(data)) as Message));
    socket.on("close", (code) => {
      closeCode = code;
    });
    const hears = (type: string) =>
      vi.waitFor(() => heard.find((message) => message.type === type) ?? expect.unreachable());
    const hello = await hears("hello");
    return {
      hello,
      heard,
      hears,
      sendRaw: (data: string | Buffer) => socket.send(data),
      say: (message: object) => socket.send(JSON.stringify(message)),
      expectClosed: (code: number) => vi.waitFor(() => expect(closeCode).toBe(code), 5_000),
    };
  };
  return { child, exited, url, join };
}

const draw = (stroke: number, points: number[]) => ({ type: "draw", stroke, color: 1, width: 7, points });

test("what one draws the other sees, and who comes later gets the whole board", async () => {
  const { join } = await startBoard();
  const [first, second] = [await join(), await join()];
  first.say(draw(1, [0, 0, 1, 1]));
  first.say(draw(1, [2, 2]));
  await vi.waitFor(() => expect(second.heard.filter(({ type }) => type === "drawn")).toHaveLength(2));
  const third = await join();
  expect(third.hello.strokes).toEqual([expect.objectContaining({ points: [0, 0, 1, 1, 2, 2], color: 1, width: 7 })]);
  expect(third.hello.people).toHaveLength(2);
  second.say({ type: "clear" });
  await first.hears("cleared");
  expect((await join()).hello.strokes).toEqual([]);
});

test.each([
  ["no JSON", "hello"],
  ["null", "null"],
  ["an unknown type", '{"type":"shout"}'],
  ["half a point", JSON.stringify(draw(1, [1]))],
  ["no number", '{"type":"draw","stroke":1,"color":1,"width":7,"points":[1,"x"]}'],
  ["bytes", Buffer.from([1, 2])],
])("%s closes that socket alone, and nothing behind it is done", async (_, message) => {
  const { join } = await startBoard();
  const [good, bad] = [await join(), await join()];
  good.say(draw(1, [0, 0]));
  await bad.hears("drawn");
  bad.sendRaw(message);
  bad.say({ type: "clear" });
  await bad.expectClosed(1008);
  expect((await join()).hello.strokes).toHaveLength(1);
  expect(good.heard.map(({ type }) => type)).not.toContain("cleared");
});

test("the board is bounded: the oldest strokes go, everybody is told, and one stroke cannot push out all", async () => {
  const { join } = await startBoard();
  const [painter, watcher] = [await join(), await join()];
  const points = Array.from({ length: 4_000 }, (_, index) => index % 1_000);
  for (let message = 0; message < 105; message++) painter.say(draw(Math.floor(message / 10), points));
  const dropped = await watcher.hears("dropped");
  const { strokes } = (await join()).hello as unknown as { strokes: { id: number; points: number[] }[] };
  expect(strokes.map(({ id }) => id)).not.toContain(dropped.stroke);
  expect(strokes.reduce((sum, { points: each }) => sum + each.length / 2, 0)).toBeLessThanOrEqual(200_000);
  expect(strokes.length).toBeGreaterThan(5);
  for (let message = 0; message < 11; message++) painter.say(draw(99, points));
  await painter.expectClosed(1008);
  expect((await join()).hello.strokes).not.toHaveLength(1);
});

test("SIGTERM tells everybody, and ends the process with 0", async () => {
  const { child, exited, join } = await startBoard();
  const visitor = await join();
  child.kill("SIGTERM");
  await visitor.expectClosed(1001);
  expect(await exited).toBe(0);
});

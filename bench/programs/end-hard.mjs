// Run in the container of a role: ends its first process as a crash does, with no last word of its own. From inside, the kernel
// lets no signal do that; the inspector of Node does. https://chromedevtools.github.io/devtools-protocol/v8/Runtime/
import { setTimeout as sleep } from "node:timers/promises";

process.kill(1, "SIGUSR1");
const socket = new WebSocket(await inspectorUrl());
socket.onopen = () => {
  const params = { expression: "process.reallyExit(1)" };
  socket.send(JSON.stringify({ id: 1, method: "Runtime.evaluate", params }));
};
await new Promise((resolve) => {
  socket.onclose = resolve;
});

async function inspectorUrl() {
  const untilMs = performance.now() + 10_000;
  for (;;) {
    try {
      const [target] = await (await fetch("http://127.0.0.1:9229/json/list")).json();
      return target.webSocketDebuggerUrl;
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      await sleep(5);
    }
  }
}

/**
 * Has a Node process that was started with --inspect collect its garbage, so that what memory it holds then is what it needs.
 * Over the Chrome DevTools Protocol (https://chromedevtools.github.io/devtools-protocol/v8/HeapProfiler/).
 */
export async function collectGarbage(inspectorUrl: string): Promise<void> {
  const socket = new WebSocket(inspectorUrl);
  try {
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new Error(`no inspector at ${inspectorUrl}`));
    });
    const collected = new Promise((resolve) => {
      socket.onmessage = resolve; // the one answer that there is
    });
    socket.send(JSON.stringify({ id: 1, method: "HeapProfiler.collectGarbage" }));
    await collected;
  } finally {
    socket.close();
  }
}

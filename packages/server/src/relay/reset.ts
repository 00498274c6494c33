import type { Socket } from "node:net";

/**
 * Breaks a connection off, so that the other side can tell. One whose end is just on its way is closed instead: libuv
 * resets none of those (uv_tcp_close_reset, EINVAL), and Node then leaves it open for good.
 */
export function reset(
  socket: Pick<Socket, "writableEnded" | "writableFinished"> & { destroy(): unknown; resetAndDestroy(): unknown },
): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}

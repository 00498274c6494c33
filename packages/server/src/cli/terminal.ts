import type { WriteStream } from "node:tty";
import { LiveScreen } from "./live-screen.ts";
import type { LiveViewOptions } from "./live-view.ts";
import { openLineView } from "./session-lines.ts";
import type { SessionView } from "./session-view.ts";
import { outliveReader } from "./stdout.ts";

export interface Terminal {
  /** Whether sessions are shown in place. */
  readonly isLive: boolean;
  readonly print: (text: string) => void;
  openView(options: Pick<LiveViewOptions, "engine" | "clock" | "url">): Promise<SessionView>;
}

/** Shows sessions live on a terminal that can, and as lines anywhere else, or where `plain` is asked for. */
export function openTerminal(stream: WriteStream, { plain }: { plain: boolean }): Terminal {
  outliveReader();
  if (plain || !stream.isTTY || process.env.TERM === "dumb") {
    const print = (text: string) => void stream.write(`${text}\n`);
    return { isLive: false, print, openView: async ({ url }) => openLineView(url, print) };
  }
  const screen = new LiveScreen(stream);
  const print = (text: string) => screen.print(text);
  return {
    isLive: true,
    print,
    async openView(options) {
      const { LiveView } = await import("./live-view.ts");
      return new LiveView({ ...options, terminal: stream, screen });
    },
  };
}

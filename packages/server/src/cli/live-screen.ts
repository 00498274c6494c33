import { clearScreenDown, cursorTo, moveCursor } from "node:readline";
import type { WriteStream } from "node:tty";
import { stripVTControlCharacters } from "node:util";

/** The end of a terminal's text: lines that are redrawn in place, under what is printed for good. */
export class LiveScreen {
  readonly #terminal: WriteStream;
  #shown: readonly string[] = [];

  constructor(terminal: WriteStream) {
    this.#terminal = terminal;
  }

  /** Puts text above the lines, for good. */
  print(text: string): void {
    this.#redraw(`${text}\n`, this.#shown);
  }

  /** Replaces the lines. None may be wider than the terminal, nor may there be as many as it has. */
  show(lines: readonly string[]): void {
    this.#redraw("", lines);
  }

  #redraw(above: string, lines: readonly string[]): void {
    const terminal = this.#terminal;
    terminal.cork(); // one write, so that no half of it is seen
    if (this.#shown.length > 0) {
      moveCursor(terminal, 0, -this.#rowsShown());
      cursorTo(terminal, 0);
      clearScreenDown(terminal);
    }
    terminal.write(above + lines.map((line) => `${line}\n`).join(""));
    terminal.uncork();
    this.#shown = lines;
  }

  /** Terminals that have become narrower since have broken the lines. */
  #rowsShown(): number {
    const { columns } = this.#terminal;
    const widths = this.#shown.map((line) => stripVTControlCharacters(line).length);
    return widths.reduce((rows, width) => rows + Math.max(1, Math.ceil(width / columns)), 0);
  }
}

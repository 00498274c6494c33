import { type HeadParts, MessageHead } from "./message-head.ts";

/** The head of a response. */
export class ResponseHead extends MessageHead {
  readonly status: number;

  constructor(parts: HeadParts & { status: number }) {
    super(parts);
    this.status = parts.status;
  }

  /** Whether another response follows to the same request (1xx); behind a 101 there is no HTTP any more. */
  get isInterim(): boolean {
    return this.status < 200;
  }
}

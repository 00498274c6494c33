import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** A write that an API server was asked for, by its audit log. https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/ */
export interface AuditedWrite {
  /** `system:serviceaccount:<namespace>:<name>`, `system:node:<name>` and so on. */
  readonly user: string;
  readonly verb: string;
  /** With its subresource: `pods/status`. */
  readonly resource: string;
  readonly name: string;
  /** Since the epoch. */
  readonly receivedMs: number;
  readonly answeredMs: number;
}

interface AuditEvent {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly objectRef?: {
    readonly resource: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly requestReceivedTimestamp: string;
  readonly stageTimestamp: string;
}

const writingVerbs = new Set(["create", "update", "patch", "delete", "deletecollection"]);
/** The log is written soon after the answer. */
const lagMs = 300;

/** What is written in one namespace from now on, by the file to which this machine's API server writes its audit log. */
export class AuditLog {
  readonly #file: number;
  readonly #namespace: string;
  readonly #fromByte: number;

  constructor(path: string, { namespace }: { namespace: string }) {
    this.#file = openSync(path, "r");
    this.#fromByte = fstatSync(this.#file).size;
    this.#namespace = namespace;
  }

  /** All writes so far that were about an object of this name, or Events about one. */
  async about(name: string): Promise<AuditedWrite[]> {
    await sleep(lagMs);
    return this.#read().filter((write) => write.name === name || write.name.startsWith(`${name}.`));
  }

  close(): void {
    closeSync(this.#file);
  }

  #read(): AuditedWrite[] {
    const bytes = Buffer.alloc(fstatSync(this.#file).size - this.#fromByte);
    const { length } = bytes.subarray(0, readSync(this.#file, bytes, { position: this.#fromByte }));
    // The last line may not be whole yet.
    const lines = bytes.subarray(0, length).toString("utf8").split("\n").slice(0, -1);
    return lines
      .filter((line) => line.includes(this.#namespace))
      .map((line) => JSON.parse(line) as AuditEvent)
      .filter(({ verb, objectRef }) => objectRef?.namespace === this.#namespace && writingVerbs.has(verb))
      .map(toWrite);
  }
}

function toWrite({ verb, user, objectRef, requestReceivedTimestamp, stageTimestamp }: AuditEvent): AuditedWrite {
  const { resource = "", subresource, name = "" } = objectRef ?? {};
  return {
    user: user.username,
    verb,
    resource: subresource === undefined ? resource : `${resource}/${subresource}`,
    name,
    receivedMs: Date.parse(requestReceivedTimestamp),
    answeredMs: Date.parse(stageTimestamp),
  };
}

/** What the values of flags may be, for every parser of command lines. */
export interface NumberRange {
  least: number;
  most: number;
}

export const portRange: NumberRange = { least: 0, most: 65_535 };
/** Up to ten years. */
export const secondsRange: NumberRange = { least: 0, most: 315_360_000 };

/** The variable of a flag: `--serve-port` is also `SPAWNER_SERVE_PORT`, `--compat-0.1.9` is `SPAWNER_COMPAT_0_1_9`. */
export function variableOf(flagName: string): string {
  return `SPAWNER_${flagName.replace(/[-.]/g, "_").toUpperCase()}`;
}

/** A whole number within the range; throws what is needed as a RangeError. */
export function parseWholeNumber(text: string, { least, most }: NumberRange): number {
  const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  if (/^(tcp|udp|sctp):\/\//.test(text)) throw new RangeError(serviceVariable);
  throw new RangeError(`A whole number from ${least} to ${most} is needed.`);
}

/** https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables */
const serviceVariable =
  "Kubernetes made this variable for a Service of that name: set enableServiceLinks: false in the Pod, or give the flag.";

/** The SHA-256 of something, in hexadecimal; throws what is needed as a RangeError. */
export function parseSha256(text: string): string {
  if (/^[0-9a-f]{64}$/i.test(text)) return text;
  throw new RangeError("64 hexadecimal digits are needed.");
}

/** A URL without a path; throws what is needed as a RangeError. */
export function parseOrigin(text: string): string {
  const url = URL.parse(text);
  const isOrigin = url !== null && /^https?:$/.test(url.protocol) && /^https?:\/\/[^/?#@]+\/?$/i.test(text);
  if (isOrigin) return url.origin;
  throw new RangeError("A URL without a path is needed, such as https://play.example.com.");
}

/** What a variable says of a flag that is given or not; throws what is needed as a RangeError. */
export function parseSwitch(text: string): boolean {
  if (/^(|0|no|off|false)$/i.test(text)) return false;
  if (/^(1|yes|on|true)$/i.test(text)) return true;
  throw new RangeError("1, yes, on, true, 0, no, off or false is needed.");
}
